"""The dashboard of a program: all of its nights on one page. A file here is a section of it."""
