"""python -m minicnn.visor: a page on which one watches a network learn, asks it, and looks inside.

    command.py      the options, the address, Ctrl-C
    subject.py      what the page is about: a run folder or a model, as it is now
    app.py          which address is answered by what; guard.py: who may ask
    requests.py     what is asked, checked
    api/            the answers, a file for each tab
    page/           what the browser gets: HTML, CSS and plain JavaScript modules

Needs the extra `visor`: Starlette and Uvicorn serve, Plotly's script draws the charts.
"""
