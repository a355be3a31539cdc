"""python -m minicnn.visor: a page to watch a network learn, test it, and look inside.

    command.py      the options, the address, Ctrl-C
    subject.py      the run folder or model that the page shows
    app.py          the routes; guard.py: access control
    requests.py     validation of requests
    api/            the answers, a file for each tab
    page/           HTML, CSS and plain JavaScript modules

Needs the extra `visor`: Starlette and Uvicorn serve the page, Plotly's script draws the charts.
"""
