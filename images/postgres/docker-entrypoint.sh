#!/bin/sh
# Makes the database cluster once, then becomes its argument: what base/postgres uses of the official entrypoint.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?must be set for a new database}"
  password=$(mktemp)
  printf %s "$POSTGRES_PASSWORD" >"$password"
  eval 'initdb --username=postgres --pwfile="$password" --auth-host=scram-sha-256 --auth-local=trust' "${POSTGRES_INITDB_ARGS:-}"
  rm "$password"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
[ "${1:-postgres}" = postgres ] && shift
exec postgres -c listen_addresses='*' "$@"
