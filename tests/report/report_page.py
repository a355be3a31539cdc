"""Helpers for the tests of the report."""

import io
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser

NAMES = ["<b>zero</b>", "one & only", *"23456789"]  # names that need escaping


def quietly(command, *options):
    """(exit code, standard output, standard error)"""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = command.main([str(option) for option in options])
    return code, out.getvalue(), err.getvalue()


class Page(HTMLParser):
    """Tags, text and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.addresses, self.headings = [], "", [], []
        self._heading = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.addresses += [v for k, v in attrs if k in ("src", "href", "data", "action", "srcset")]
        self._heading = tag == "h2"

    def handle_data(self, data):
        self.text += data
        if self._heading:
            self.headings.append(data)
            self._heading = False

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]
