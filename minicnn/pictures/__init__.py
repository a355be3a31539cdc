"""Preprocessing of pictures: a photo, a scan or a drawing -> the input of a network."""
