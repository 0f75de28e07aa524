"""Browsing S3: the state of a browser without a screen. Works without Jupyter; `s3nb.notebook.browser` draws it."""
