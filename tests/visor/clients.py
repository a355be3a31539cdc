"""Requests to the application in this process."""

from starlette.testclient import TestClient

from minicnn.visor.app import create_app
from minicnn.visor.subject import Subject


def client(where, folder, command=None, data=None, **options):
    """Of a visor that shows a run or model, or a Subject; `folder` is for drawings.

    options: of TestClient.
    """
    subject = where if isinstance(where, Subject) else Subject(where, data, command)
    return TestClient(create_app(subject, folder), base_url="http://127.0.0.1", **options)
