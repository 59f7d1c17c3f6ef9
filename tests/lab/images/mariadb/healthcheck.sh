#!/bin/bash
# The checks of the official image's healthcheck.sh that need no replication: each argument is one, and all must pass.
set -euo pipefail

datadir=$(my_print_defaults --mariadbd | sed -n 's/^--datadir=//p' | tail -n 1)

# By TCP: the server that initialises a data directory does not listen there.
query() {
  mariadb --defaults-extra-file="${datadir:-/var/lib/mysql}/.my-healthcheck.cnf" \
    --host=127.0.0.1 --protocol=tcp --skip-ssl-verify-server-cert --batch --skip-column-names --execute "$1"
}

[[ $# -gt 0 ]] || { echo "At least one healthcheck parameter must be specified" >&2; exit 1; }

for check; do
  case $check in
    --connect) query 'SELECT 1' >/dev/null ;;
    --innodb_initialized)
      [[ $(query "SELECT 1 FROM information_schema.ENGINES WHERE engine = 'InnoDB' AND support IN ('YES', 'DEFAULT')") == 1 ]]
      ;;
    *) echo "Unknown healthcheck option $check" >&2; exit 1 ;;
  esac
done
