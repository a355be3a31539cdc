"""Helpers that read figures."""

import io

import matplotlib as mpl


def texts(figure):
    """All text of the figure, which is drawn for it (a test that it can be drawn)."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return [t.get_text() for t in figure.findobj(mpl.text.Text) if t.get_text()]


def charts(figure):
    """{title: axes}"""
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def line_at(axes, **wanted):
    """The lines of axes with these properties, e.g. color."""
    return [
        line
        for line in axes.lines
        if all(getattr(line, f"get_{name}")() == value for name, value in wanted.items())
    ]


NAMES = ["a rather long name of a class, indeed", "$b_1$ & <c>", "naïve: §"]
