#!/bin/bash
# Initialises a data directory and starts PostgreSQL as the official image does.
# POSTGRES_*, each also as *_FILE: PASSWORD, USER, DB, INITDB_ARGS; POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_WALDIR. Without users
# whom /etc/passwd does not know.
set -euo pipefail

log() { echo "[entrypoint] $*" >&2; }

fail() {
  log "error: $*"
  exit 1
}

# setting NAME DEFAULT: the value of POSTGRES_NAME, or of the file in POSTGRES_NAME_FILE.
setting() {
  local variable="POSTGRES_$1" file="POSTGRES_$1_FILE"
  if [[ -n ${!variable:-} && -n ${!file:-} ]]; then
    fail "both $variable and $file are set (but are exclusive)"
  elif [[ -n ${!file:-} ]]; then
    printf '%s' "$(<"${!file}")"
  else
    printf '%s' "${!variable:-${2:-}}"
  fi
}

sql() { PGHOST='' psql --no-psqlrc --no-password --set ON_ERROR_STOP=1 --quiet --username "$user" --dbname "$database" "$@"; }

# From 18 on the volume is the parent directory, so that the data of two majors can be beside each other.
refuse_the_old_layout() {
  [[ $PGDATA != /var/lib/postgresql/data ]] || return 0
  if [[ -f /var/lib/postgresql/data/PG_VERSION || -f /var/lib/postgresql/PG_VERSION ]] \
    || grep --quiet ' /var/lib/postgresql/data ' /proc/self/mountinfo; then
    fail "there is data, or a volume, where versions before 18 have it: mount the volume at /var/lib/postgresql"
  fi
}

# No network: a health check that connects by TCP does not mistake this server for the real one.
start_temporary_server() {
  pg_ctl --silent --wait --pgdata "$PGDATA" start --options "$(printf '%q ' "${@:2}" -c listen_addresses='')"
}

initialise() {
  local user database password arguments method
  user=$(setting USER postgres)
  database=$(setting DB "$user")
  password=$(setting PASSWORD)
  arguments=$(setting INITDB_ARGS)
  method=${POSTGRES_HOST_AUTH_METHOD:-}
  if [[ -z $password && $method != trust ]]; then
    fail "Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD"
  fi
  [[ -z ${POSTGRES_INITDB_WALDIR:-} ]] || arguments+=" --waldir $POSTGRES_INITDB_WALDIR"

  eval "initdb --username=\"\$user\" --pwfile=<(printf '%s\n' \"\$password\") $arguments"
  printf '\nhost all all all %s\n' "${method:-$(postgres -C password_encryption "${@:2}")}" >>"$PGDATA/pg_hba.conf"

  export PGPASSWORD=$password
  start_temporary_server "$@"
  if [[ $database != postgres ]]; then
    database=postgres sql --set name="$database" <<<'CREATE DATABASE :"name"'
  fi
  run_init_files
  pg_ctl --silent --wait --mode fast --pgdata "$PGDATA" stop
  unset PGPASSWORD
  log "PostgreSQL init process complete; ready for start up."
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) sql --file "$file" ;;
      *.sql.gz) gunzip --stdout "$file" | sql ;;
      *.sql.xz) xz --decompress --stdout "$file" | sql ;;
      *.sql.zst) zstd --decompress --stdout "$file" | sql ;;
      '/docker-entrypoint-initdb.d/*') ;;
      *) log "ignoring $file" ;;
    esac
  done
}

only_tells() { [[ " $* " =~ \ (--help|--version|--describe-config|-\?|-V|-C)\  ]]; }

if [[ ${1:-} == -* ]]; then
  set -- postgres "$@"
fi

if [[ ${1:-} == postgres ]] && ! only_tells "$@"; then
  mkdir -p "$PGDATA" ${POSTGRES_INITDB_WALDIR:-}
  if [[ $(id -u) == 0 ]]; then
    # Root with few capabilities cannot look into a directory that is PostgreSQL's already.
    find "$PGDATA" /run/postgresql ${POSTGRES_INITDB_WALDIR:-} ! -user postgres -exec chown postgres:postgres {} + || true
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
  fi
  if [[ ! -s $PGDATA/PG_VERSION ]]; then
    refuse_the_old_layout
    initialise "$@"
  fi
fi

exec "$@"
