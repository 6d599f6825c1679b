"""new_database.py URL: makes an empty database on that server and prints its URL, as JSON."""

import json
import sys
import uuid
from urllib.parse import urlsplit, urlunsplit

import psycopg2

server = sys.argv[1]
name = f"e2e_{uuid.uuid4().hex[:12]}"
connection = psycopg2.connect(server)
connection.autocommit = True
connection.cursor().execute(f'CREATE DATABASE "{name}"')
connection.close()
json.dump({"url": urlunsplit(urlsplit(server)._replace(path=f"/{name}"))}, sys.stdout)
