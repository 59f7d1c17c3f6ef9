#!/bin/sh
# Runs what is in /docker-entrypoint.d before nginx, as the official image does.
set -eu

if [ "$1" = nginx ]; then
  for file in /docker-entrypoint.d/*; do
    [ -x "$file" ] || continue
    case "$file" in
      *.envsh) . "$file" ;;
      *.sh) "$file" ;;
    esac
  done
fi

exec "$@"
