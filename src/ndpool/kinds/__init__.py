"""The kinds of pooling beside max, a file each; `mechanism` is what they share."""
