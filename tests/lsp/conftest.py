"""What the tests of the server share: a small project, and servers that are open on it."""

import pytest
import pytest_asyncio

from .editor import editor, write_files

PROJECT = '''\
//- src/settings.py
"""Settings of the shop."""


class SettingsReader:
    """Knows where settings are kept."""

    def read_settings(self, path):
        """Load the configuration from a file on disk."""
        with open(path) as file:
            return parse_lines(file.readlines())


def parse_lines(lines):
    """Split lines at the equals sign into names and values."""
    return dict(line.strip().split("=", 1) for line in lines)
//- src/mail.py
def send_mail(address, text):
    """Deliver a message to a customer by SMTP."""
    connection = connect_to_server()
    connection.send(address, text)


def deliver_newsletter(customers, text):
    """Send the same message to every customer."""
    for customer in customers:
        send_mail(customer.address, text)
//- src/prices.js
/** Adds the value added tax to a net price. */
export function grossPrice(net, rate) {
  return net * (1 + rate);
}

/** Rounds an amount of money to whole cents. */
export function roundToCents(amount) {
  return Math.round(amount * 100) / 100;
}
//- docs/guide.md
# Guide

## Installing the shop

Unpack the archive and run the installer.
//- notes.txt
Nothing of interest.
'''


@pytest.fixture
def project(tmp_path):
    """A small project in a folder with a space and an umlaut in its name."""
    root = tmp_path / "my shöp"
    write_files(root, PROJECT)
    return root


@pytest_asyncio.fixture
async def client(tmp_path):
    """A server that nobody has said anything to."""
    async with editor(tmp_path / "cache") as made:
        yield made


@pytest_asyncio.fixture
async def opened(client, project):
    """A server with the project indexed."""
    await client.initialize(project)
    await client.ready()
    yield client


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory):
    """The project, for tests that only ask."""
    root = tmp_path_factory.mktemp("shared") / "my shöp"
    write_files(root, PROJECT)
    return root


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(shared_project, tmp_path_factory):
    """A server with the project indexed, for tests that only ask."""
    async with editor(tmp_path_factory.mktemp("cache")) as made:
        await made.initialize(shared_project)
        await made.ready()
        yield made
