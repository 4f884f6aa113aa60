"""A phone on a web page for developers. It shows the messages of a ``sandbox://`` provider."""
