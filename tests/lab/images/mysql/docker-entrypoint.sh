#!/bin/bash
# Initialises a data directory and starts MySQL as the official image does.
# MYSQL_*, each also as *_FILE: ROOT_PASSWORD, ROOT_HOST, DATABASE, USER, PASSWORD; MYSQL_RANDOM_ROOT_PASSWORD, MYSQL_ONETIME_PASSWORD,
# MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_INITDB_SKIP_TZINFO.
set -euo pipefail

log() { echo "[entrypoint] $*" >&2; }

fail() {
  log "error: $*"
  exit 1
}

# setting NAME DEFAULT: the value of MYSQL_NAME, or of the file in MYSQL_NAME_FILE.
setting() {
  local variable="MYSQL_$1" file="MYSQL_$1_FILE"
  if [[ -n ${!variable:-} && -n ${!file:-} ]]; then
    fail "both $variable and $file are set (but are exclusive)"
  elif [[ -n ${!file:-} ]]; then
    printf '%s' "$(<"${!file}")"
  else
    printf '%s' "${!variable:-${2:-}}"
  fi
}

# configured NAME ARGUMENT...: what the server would use for a setting.
configured() { "${@:2}" --verbose --help 2>/dev/null | awk -v name="$1" '/^[^ ]/ && $1 == name { print $2; exit }'; }

quote() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

sql() { mysql --no-defaults --protocol=socket --socket="$socket" --user=root --batch --skip-column-names "$@"; }

# No network: a health check that connects by TCP does not mistake this server for the real one.
start_temporary_server() {
  "$@" --skip-networking --mysqlx=OFF --socket="$socket" &
  server=$!
  for _ in {1..600}; do
    sql <<<'SELECT 1' >/dev/null 2>&1 && return
    kill -0 "$server" 2>/dev/null || fail "the temporary server did not start"
    sleep 0.1
  done
  fail "the temporary server did not start in 60 s"
}

initialise() {
  local root_password root_host database user password
  root_password=$(setting ROOT_PASSWORD)
  root_host=$(setting ROOT_HOST %)
  database=$(setting DATABASE)
  user=$(setting USER)
  password=$(setting PASSWORD)
  if [[ -z $root_password && -n ${MYSQL_RANDOM_ROOT_PASSWORD:-} ]]; then
    root_password=$(tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 || true)
    log "GENERATED ROOT PASSWORD: $root_password"
  fi
  if [[ -z $root_password && -z ${MYSQL_ALLOW_EMPTY_PASSWORD:-} ]]; then
    fail "Database is uninitialized and password option is not specified: set one of MYSQL_ROOT_PASSWORD," \
      "MYSQL_ALLOW_EMPTY_PASSWORD and MYSQL_RANDOM_ROOT_PASSWORD"
  fi
  [[ $user != root ]] || fail 'MYSQL_USER="root" is not possible: that user exists'

  log "Initializing database files"
  "$@" --initialize-insecure --default-time-zone=SYSTEM
  start_temporary_server "$@"
  if [[ -z ${MYSQL_INITDB_SKIP_TZINFO:-} ]]; then
    mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null | sql mysql
  fi
  {
    [[ -z $database ]] || echo "CREATE DATABASE IF NOT EXISTS \`$database\`;"
    if [[ -n $user && -n $password ]]; then
      echo "CREATE USER $(quote "$user")@'%' IDENTIFIED BY $(quote "$password");"
      [[ -z $database ]] || echo "GRANT ALL ON \`${database//_/\\_}\`.* TO $(quote "$user")@'%';"
    fi
  } | sql
  run_init_files "$database"
  {
    if [[ $root_host != localhost ]]; then
      echo "CREATE USER root@$(quote "$root_host") IDENTIFIED BY $(quote "$root_password");"
      echo "GRANT ALL ON *.* TO root@$(quote "$root_host") WITH GRANT OPTION;"
      [[ -z ${MYSQL_ONETIME_PASSWORD:-} ]] || echo "ALTER USER root@$(quote "$root_host") PASSWORD EXPIRE;"
    fi
    echo "ALTER USER root@localhost IDENTIFIED BY $(quote "$root_password");"
  } | sql
  kill "$server"
  wait "$server"
  log "MySQL init process done. Ready for start up."
}

run_init_files() {
  local file database=$1
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) sql ${database:+"$database"} <"$file" ;;
      *.sql.bz2) bunzip2 --stdout "$file" | sql ${database:+"$database"} ;;
      *.sql.gz) gunzip --stdout "$file" | sql ${database:+"$database"} ;;
      *.sql.xz) xz --decompress --stdout "$file" | sql ${database:+"$database"} ;;
      *.sql.zst) zstd --decompress --stdout "$file" | sql ${database:+"$database"} ;;
      '/docker-entrypoint-initdb.d/*') ;;
      *) log "ignoring $file" ;;
    esac
  done
}

only_tells() { [[ " $* " =~ \ (--help|--version|--print-defaults|--validate-config|-\?|-V)\  ]]; }

if [[ ${1:-} == -* ]]; then
  set -- mysqld "$@"
fi

if [[ ${1:-} == mysqld ]] && ! only_tells "$@"; then
  datadir=$(configured datadir "$@")
  socket=$(configured socket "$@")
  if [[ $(id -u) == 0 ]]; then
    find "$datadir" "${socket%/*}" ! -user mysql -exec chown mysql:mysql {} +
    exec setpriv --reuid mysql --regid mysql --clear-groups "$0" "$@"
  fi
  if [[ ! -d ${datadir%/}/mysql ]]; then
    initialise "$@"
  fi
fi

exec "$@"
