"""A phone on a page, for whoever develops: it shows what a ``sandbox://`` provider sends."""
