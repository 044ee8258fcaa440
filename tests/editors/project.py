"""The project that editors are driven on, what they are asked about it, and what they leave behind.

Its main function stands behind characters of one, two and four bytes, of one and two UTF-16 units: whoever counts
columns otherwise than the server does not end at its name.
"""

import subprocess

import psutil

QUESTION = "write an e-mail that confirms what was bought"
NAME = "open_connection"
SECOND = "round money to whole cents"  # asked once the additions are saved

MAIL = """\
"use strict";

/** \N{PARTY POPPER} 邮件: tells a customer what was bought. */ function sendReceipt(customer, order) {
  sendMail(customer.address, "Thank you for your purchase", order.text);
}
"""
STORE = '''\
def open_connection(host):
    """Connect to the warehouse."""
    return connect(host, 25)


def reopen_connection(host):
    return open_connection(host)
'''
PRICES = "def gross(net, rate):\n    return net * (1 + rate)\n"
PYTHON = '''

def to_cents(amount):
    """Round an amount of money to whole cents."""
    return round(amount, 2)
'''
SCRIPT = """
/** Rounds an amount of money to whole cents. */
function toCents(amount) {
  return amount.toFixed(2);
}
"""


def write_project(root):
    """Write the project into a new folder, under git as projects are."""
    (root / "src").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    for name, text in (("mail.js", MAIL), ("store.py", STORE), ("prices.py", PRICES)):
        (root / "src" / name).write_text(text, encoding="utf-8")


def left_behind(cache):
    """Return the commands that still have to do with a cache folder; those about to end are waited for."""

    def alive():
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(cache) in word for word in process.info["cmdline"] or ())
        ]

    psutil.wait_procs(alive(), timeout=5)
    return [process.info["cmdline"] for process in alive()]
