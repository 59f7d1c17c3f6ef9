#!/bin/sh
# Starts Valkey or Redis ($SERVER) as the official images do. Their own variables: VALKEY_EXTRA_FLAGS.
set -eu

server="$SERVER-server"

# Options alone, or a configuration file first, are for the server.
case "${1:-}" in
  -* | *.conf) set -- "$server" "$@" ;;
esac

if [ "$1" = "$server" ]; then
  if [ "$(id -u)" = 0 ]; then
    find . ! -user "$SERVER" -exec chown "$SERVER" {} +
    exec setpriv --reuid "$SERVER" --regid "$SERVER" --clear-groups "$0" "$@"
  fi

  # The official builds have protected mode off by default, Debian's have it on: a configuration that says nothing gets theirs.
  if ! printf '%s\n' "$@" | grep -q -e '^--protected-mode$' && ! { [ -f "${2:-}" ] && grep -qi '^ *protected-mode ' "$2"; }; then
    set -- "$@" --protected-mode no
  fi

  umask 0077
  # shellcheck disable=SC2086  # several flags in one variable
  exec "$@" ${VALKEY_EXTRA_FLAGS:-}
fi

exec "$@"
