#!/bin/bash
# Initialises a data directory, or upgrades it, and starts MariaDB as the official image does.
# MARIADB_* (or MYSQL_*), each also as *_FILE: ROOT_PASSWORD, ROOT_HOST, DATABASE, USER, USER_HOST, PASSWORD, RANDOM_ROOT_PASSWORD,
# ALLOW_EMPTY_ROOT_PASSWORD, INITDB_SKIP_TZINFO, AUTO_UPGRADE. Without password hashes, replication, and restoring a physical backup.
set -euo pipefail

socket=/run/mysqld/mysqld.sock

log() { echo "[entrypoint] $*" >&2; }

fail() {
  log "error: $*"
  exit 1
}

# setting NAME DEFAULT: the value of MARIADB_NAME, of the file in MARIADB_NAME_FILE, or the same for MYSQL_NAME.
setting() {
  local prefix variable file
  for prefix in MARIADB MYSQL; do
    variable="${prefix}_$1"
    file="${variable}_FILE"
    if [[ -n ${!variable:-} && -n ${!file:-} ]]; then
      fail "both $variable and $file are set (but are exclusive)"
    elif [[ -n ${!variable:-} ]]; then
      printf '%s' "${!variable}"
      return
    elif [[ -n ${!file:-} ]]; then
      printf '%s' "$(<"${!file}")"
      return
    fi
  done
  printf '%s' "${2:-}"
}

quote() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

sql() { mariadb --protocol=socket --socket="$socket" --user=root --batch --skip-column-names "$@"; }

# No network: a health check that connects by TCP does not mistake this server for the real one.
start_temporary_server() {
  "$@" --skip-networking --socket="$socket" --skip-log-bin --expire-logs-days=0 --loose-innodb-buffer-pool-load-at-startup=0 &
  server=$!
  for _ in {1..300}; do
    sql <<<'SELECT 1' >/dev/null 2>&1 && return
    kill -0 "$server" 2>/dev/null || fail "the temporary server did not start"
    sleep 0.1
  done
  fail "the temporary server did not start in 30 s"
}

stop_temporary_server() {
  kill "$server"
  wait "$server"
}

# The user of healthcheck.sh, whose password only that file knows.
health_user() {
  local file="$datadir/.my-healthcheck.cnf" host password
  password=$(tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 || true)
  for host in 127.0.0.1 ::1 localhost; do
    echo "CREATE USER IF NOT EXISTS healthcheck@'$host' IDENTIFIED BY '$password';"
    echo "ALTER USER healthcheck@'$host' IDENTIFIED BY '$password';"
  done
  (
    umask 0077
    printf '[mariadb-client]\nport=3306\nsocket=%s\nuser=healthcheck\npassword=%s\n' "$socket" "$password" >"$file"
  )
}

initialise() {
  local root_password root_host database user user_host password
  root_password=$(setting ROOT_PASSWORD)
  root_host=$(setting ROOT_HOST %)
  database=$(setting DATABASE)
  user=$(setting USER)
  user_host=$(setting USER_HOST %)
  password=$(setting PASSWORD)
  if [[ -z $root_password && -n $(setting RANDOM_ROOT_PASSWORD) ]]; then
    root_password=$(tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 || true)
    log "GENERATED ROOT PASSWORD: $root_password"
  fi
  if [[ -z $root_password && -z $(setting ALLOW_EMPTY_ROOT_PASSWORD "$(setting ALLOW_EMPTY_PASSWORD)") ]]; then
    fail "Database is uninitialized and password option is not specified: set one of MARIADB_ROOT_PASSWORD," \
      "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD"
  fi
  [[ $user != root ]] || fail 'MARIADB_USER="root" is not possible: that user exists'

  log "Initializing database files"
  mariadb-install-db --datadir="$datadir" --rpm --auth-root-authentication-method=normal --skip-test-db >/dev/null
  start_temporary_server "$@"
  if [[ -z $(setting INITDB_SKIP_TZINFO) ]]; then
    mariadb-tzinfo-to-sql /usr/share/zoneinfo | sql mysql
  fi
  {
    health_user
    [[ -z $database ]] || echo "CREATE DATABASE IF NOT EXISTS \`$database\`;"
    if [[ -n $user && -n $password ]]; then
      echo "CREATE USER $(quote "$user")@$(quote "$user_host") IDENTIFIED BY $(quote "$password");"
      [[ -z $database ]] || echo "GRANT ALL ON \`${database//_/\\_}\`.* TO $(quote "$user")@$(quote "$user_host");"
    fi
  } | sql
  run_init_files "$database"
  {
    # With the container's name and both loopback addresses, they would be roots without a password.
    echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1', root@$(quote "${HOSTNAME,,}");"
    if [[ $root_host != localhost ]]; then
      echo "CREATE USER root@$(quote "$root_host") IDENTIFIED BY $(quote "$root_password");"
      echo "GRANT ALL ON *.* TO root@$(quote "$root_host") WITH GRANT OPTION;"
    fi
    echo "ALTER USER root@localhost IDENTIFIED BY $(quote "$root_password");"
  } | sql
  stop_temporary_server
  log "MariaDB init process done. Ready for start up."
}

run_init_files() {
  local file database=$1
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) sql ${database:+"$database"} <"$file" ;;
      *.sql.gz) gunzip --stdout "$file" | sql ${database:+"$database"} ;;
      *.sql.xz) xz --decompress --stdout "$file" | sql ${database:+"$database"} ;;
      *.sql.zst) zstd --decompress --stdout "$file" | sql ${database:+"$database"} ;;
      '/docker-entrypoint-initdb.d/*') ;;
      *) log "ignoring $file" ;;
    esac
  done
}

# series TEXT: the first version in it, less the patch level.
series() { [[ $1 =~ ([0-9]+\.[0-9]+) ]] && echo "${BASH_REMATCH[1]}"; }

upgrade() {
  local info="$datadir/mariadb_upgrade_info"
  if [[ -f $datadir/.my-healthcheck.cnf && -f $info && $(series "$(<"$info")") == "$(series "$(mariadbd --no-defaults --version)")" ]]; then
    return
  fi
  log "Upgrading the system tables"
  # Without grant tables no password is asked, until FLUSH PRIVILEGES reads them; mariadb-upgrade ends with one, users cannot be made
  # before one.
  start_temporary_server "$@" --skip-grant-tables
  mariadb-upgrade --protocol=socket --socket="$socket" --user=root --upgrade-system-tables
  stop_temporary_server
  start_temporary_server "$@" --skip-grant-tables
  { echo "FLUSH PRIVILEGES;"; health_user; } | sql
  stop_temporary_server
}

if [[ ${1:-} == -* ]]; then
  set -- mariadbd "$@"
fi

if [[ ${1:-} == mariadbd ]]; then
  datadir=$("$@" --verbose --help --log-bin-index=/tmp/unused 2>/dev/null | awk '$1 == "datadir" { print $2; exit }')
  datadir=${datadir%/}
  if [[ $(id -u) == 0 ]]; then
    find "$datadir" /run/mysqld ! -user mysql -exec chown mysql:mysql {} +
    exec setpriv --reuid mysql --regid mysql --clear-groups "$0" "$@"
  fi
  if [[ ! -d $datadir/mysql ]]; then
    initialise "$@"
  elif [[ -n ${MARIADB_AUTO_UPGRADE:-} ]]; then
    upgrade "$@"
  fi
  # What the server does not need is not in its environment.
  unset "${!MARIADB_@}" "${!MYSQL_@}"
fi

exec "$@"
