#!/usr/bin/env bash
# Import yesterday's events, and whatever days an earlier run did not finish. For cron:
#
#   PATH=/usr/local/bin:/usr/bin:/bin
#   MP_PROJECT_ID=12345
#   MP_USERNAME=importer.1a2b3c.mp-service-account
#   SECRET_FILE=/etc/mpimport/secret
#   EVENTS_DIR=/var/spool/events
#   ALERT=mail -s "mpimport needs you" ops@example.com
#   17 6-12 * * *  /opt/shop/cron.sh
#
# Run it several times a day: a day that is done is left alone, one that is not is gone on with. That is safe as often
# as you like: mpimport knows how far it came, and Mixpanel keeps one of the events whose $insert_id is equal.
#
# EVENTS_DIR     where the files are, one a day
# EVENTS_SUFFIX  what follows the day in their names              (.ndjson.gz, as in 2025-03-14.ndjson.gz)
# DAY            the day to import                                (yesterday, UTC)
# STATE_DIR      for the lock, the log and the rejected events    (~/.local/state/mpimport-cron)
# SECRET_FILE    holds the service account's secret; nobody but its owner may read it
# ALERT, NOTIFY  commands that get a text on standard input: somebody must act; somebody may want to know (cat >&2)
#
# Whatever mpimport reads from its environment (MP_REGION, MPIMPORT_MAX_REJECTED, ...) can be set as well.
#
# Exit codes: 0 when every day is done, even if some events were rejected; 2 when this script is not set up;
# 66 when a day has no file yet; else mpimport's own: 5, 7 (nobody is alerted, the next run goes on), 129, 130, 143, 2, 3, ...

set -u
umask 077 # the log and the rejected events are people's data

ALERT=${ALERT:-"cat >&2"}
NOTIFY=${NOTIFY:-"cat >&2"}
EVENTS_DIR=${EVENTS_DIR:-}
SECRET_FILE=${SECRET_FILE:-}
EVENTS_SUFFIX=${EVENTS_SUFFIX:-.ndjson.gz}
stop=0 # or the exit code of the signal that asked this script to stop

# Hand a text to a hook: tell COMMAND TEXT [FILE-WITH-DETAILS]
tell() {
  { printf 'mpimport: %s\n' "$2" && if [ -s "${3:-}" ]; then cat -- "$3"; fi; } | sh -c "$1" 9>&-
}

die() {
  tell "$ALERT" "$1"
  exit 2
}

# The day before today, in UTC: with GNU date, else with that of BSD and macOS.
yesterday() {
  date -u -d yesterday +%F 2>/dev/null || date -u -v-1d +%F
}

check_setup() {
  local name
  for name in EVENTS_DIR SECRET_FILE MP_PROJECT_ID MP_USERNAME; do
    [ -n "${!name:-}" ] || die "$name is not set; see the beginning of $0"
  done
  for name in mpimport flock; do
    command -v "$name" >/dev/null || die "$name is not on the PATH ($PATH)"
  done
  [ -r "$SECRET_FILE" ] || die "$SECRET_FILE cannot be read"
  [ -z "$(find -L "$SECRET_FILE" -prune \( -perm -g=r -o -perm -o=r \))" ] ||
    die "$SECRET_FILE can be read by others: chmod 600 it"
  case $DAY in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]) ;;
    *) die "DAY is '$DAY', not a day such as 2025-03-14" ;;
  esac
  mkdir -p "$STATE_DIR/unfinished" "$STATE_DIR/done" || die "$STATE_DIR cannot be made"
}

# Run mpimport in the background, so that a signal to this script reaches it at once, and wait until it has ended.
run_mpimport() {
  local child code asked=
  mpimport --json -q --no-progress --secret-file "$SECRET_FILE" --rejected "$2" "$1" \
    >"$STATE_DIR/summary" 2>"$STATE_DIR/messages" &
  child=$!
  trap 'asked=yes stop=130; kill -INT "$child" 2>/dev/null' INT
  trap 'asked=yes stop=143; kill -TERM "$child" 2>/dev/null' TERM
  wait "$child"
  code=$?
  while [ -n "$asked" ]; do # the wait is over, mpimport is not: it finishes what is under way
    asked=
    wait "$child"
    code=$?
  done
  trap - INT TERM
  return "$code"
}

# Import one day; a day is done with 0 or 1, and with anything else it stays unfinished.
import_day() {
  local day=$1 file=$EVENTS_DIR/$1$EVENTS_SUFFIX rejected=$STATE_DIR/$1.rejected.ndjson code summary
  if ! [ -e "$file" ]; then
    tell "$ALERT" "$day: there is no $file"
    return 66
  fi
  run_mpimport "$file" "$rejected"
  code=$?
  summary=$(tail -n 1 "$STATE_DIR/summary")
  printf '{"day":"%s","exit_code":%d,"summary":%s}\n' "$day" "$code" "${summary:-null}" >>"$STATE_DIR/log.ndjson"
  case $code in
    0) ;;
    1) tell "$NOTIFY" "$day: imported, but some events were rejected; what to do about them stands below. If that is \
to import the day again, remove $STATE_DIR/done/$day first" \
      "$STATE_DIR/messages" ;;
    5) tell "$NOTIFY" "$day: not everything could be delivered; the next run continues" "$STATE_DIR/messages" ;;
    2) tell "$ALERT" "$day: refused before anything was sent; if its file was changed on purpose, import it by hand with \
--restart, then touch $STATE_DIR/done/$day" "$STATE_DIR/messages" ;;
    7) tell "$NOTIFY" "$day: another run of it is under way" "$STATE_DIR/messages" ;;
    129 | 130 | 143) tell "$NOTIFY" "$day: interrupted; the next run continues" "$STATE_DIR/messages" ;;
    *) tell "$ALERT" "$day: stopped with exit code $code" "$STATE_DIR/messages" ;;
  esac
  if [ "$code" -le 1 ]; then
    touch "$STATE_DIR/done/$day"
    rm -f "$STATE_DIR/unfinished/$day"
  fi
  return "$code"
}

main() {
  local path code worst=0
  [ -e "$STATE_DIR/done/$DAY" ] || touch "$STATE_DIR/unfinished/$DAY"
  for path in "$STATE_DIR/unfinished/"*; do
    [ -e "$path" ] || continue # there is none: the pattern itself
    import_day "${path##*/}"
    code=$?
    [ "$stop" -eq 0 ] || return "$stop"
    case $code in
      0 | 1) ;;
      2 | 3 | 6 | 7 | 66) worst=$code ;; # it is about that day only, the others may be fine
      *) return "$code" ;;       # the next day would fare no better
    esac
  done
  return "$worst"
}

DAY=${DAY:-$(yesterday)}
STATE_DIR=${STATE_DIR:-${HOME:-/var/tmp}/.local/state/mpimport-cron}
check_setup
# mpimport inherits the lock, and keeps it should this script be killed.
exec 9>"$STATE_DIR/lock" || die "$STATE_DIR/lock cannot be written"
if ! flock -n 9; then
  tell "$NOTIFY" "the run before this one is not done yet; this one leaves it to that"
  exit 0
fi
main
