"""The tests of each project run in that project: see ``project.run``."""

collect_ignore_glob = ["*/project/*"]
