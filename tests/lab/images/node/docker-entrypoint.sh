#!/bin/sh
# Starts node as the official image does: options, and what is no program, are its arguments.
set -eu

case "${1:-}" in
  -*) set -- node "$@" ;;
  *) command -v "${1:-}" >/dev/null || set -- node "$@" ;;
esac

exec "$@"
