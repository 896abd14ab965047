"""Data of the user's own: where it is, and how files, tables, texts, images, recordings and archives of it are read.

The parts in `dlx/dataset` that take a path are made of these. `own_file` and `class_folders` are what they begin with;
`prepared` keeps what was decoded.
"""
