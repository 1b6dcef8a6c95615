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
# Move files into EVENTS_DIR whole: write them elsewhere in the same file system, then mv. A file that grows there in
# pauses longer than SETTLED_MINUTES would be imported as far as it is, and then be done.
#
# EVENTS_DIR     where the files are, one a day
# EVENTS_SUFFIX  what follows the day in their names              (.ndjson.gz, as in 2025-03-14.ndjson.gz)
# DAY            the day to import                                (yesterday, UTC)
# BACK_DAYS      so many days before it are made up for, where no run has looked at them, for the machine was off (7)
# SETTLED_MINUTES  a file that was written to in the last minutes is left to the next run; 0 is off (10)
# STATE_DIR      for the lock, the log, reports and the rejected events  (~/.local/state/mpimport-cron)
# SECRET_FILE    holds the service account's secret; nobody but its owner may read it
# ALERT, NOTIFY  commands that get a text on standard input: somebody must act; somebody may want to know (cat >&2).
#                Each run tells of each day that is not done; of one that has not been for a day, it alerts.
#
# Whatever mpimport reads from its environment (MP_REGION, MPIMPORT_MAX_REJECTED, ...) can be set as well.
#
# Exit codes: 0 when every day is done, even if some events were rejected; 1 when a day is done, and all of its events
# were rejected; 2 when this script is not set up; 66 when a day has no file yet, or one without events; 75 when its file
# is still being written; else mpimport's own: 5, 7 (the next run goes on), 129, 130, 143, 3, ... Of several, the worst.

set -u
umask 077 # the log and the rejected events are people's data

ALERT=${ALERT:-"cat >&2"}
NOTIFY=${NOTIFY:-"cat >&2"}
EVENTS_DIR=${EVENTS_DIR:-}
SECRET_FILE=${SECRET_FILE:-}
EVENTS_SUFFIX=${EVENTS_SUFFIX:-.ndjson.gz}
BACK_DAYS=${BACK_DAYS:-7}
SETTLED_MINUTES=${SETTLED_MINUTES:-10}
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

# The day that is so many before another: days_before DAY NUMBER
days_before() {
  date -u -d "$1 $2 days ago" +%F 2>/dev/null || date -u -j -v-"$2"d -f %F "$1" +%F
}

check_setup() {
  local name exposed
  for name in EVENTS_DIR SECRET_FILE MP_PROJECT_ID MP_USERNAME; do
    [ -n "${!name:-}" ] || die "$name is not set; see the beginning of $0"
  done
  for name in mpimport flock; do
    command -v "$name" >/dev/null || die "$name is not on the PATH ($PATH)"
  done
  [ -r "$SECRET_FILE" ] || die "$SECRET_FILE cannot be read"
  # One of root's is as root wants it: so systemd and Kubernetes hand secrets over.
  exposed=$(find -L "$SECRET_FILE" -prune -user "$(id -u)" \( -perm -g=r -o -perm -o=r \))
  [ -z "$exposed" ] || die "$SECRET_FILE can be read by others: chmod 600 it"
  for name in BACK_DAYS SETTLED_MINUTES; do
    case ${!name} in
      *[!0-9]*) die "$name is '${!name}', not a number" ;;
    esac
  done
  case $DAY in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]) ;;
    *) die "DAY is '$DAY', not a day such as 2025-03-14" ;;
  esac
  mkdir -p "$STATE_DIR/unfinished" "$STATE_DIR/done" || die "$STATE_DIR cannot be made"
}

# Run mpimport in the background, so that a signal to this script reaches it at once, and wait until it has ended.
run_mpimport() {
  local child code asked=
  mpimport --json -q --no-progress --secret-file "$SECRET_FILE" --rejected "$2.rejected.ndjson" --report "$2.html" "$1" \
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

# A number of the summary: count SUMMARY KEY; 0 where there is none.
count() {
  local pattern="\"$2\": *([0-9]+)"
  if [[ $1 =~ $pattern ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}

# Import one day; a day is done with 0 or 1 if it had events, and with anything else it stays unfinished.
import_day() {
  local day=$1 file=$EVENTS_DIR/$1$EVENTS_SUFFIX code summary imported rejected hook patient=$NOTIFY since= nothing=
  if [ -n "$(find "$STATE_DIR/unfinished/$day" -mmin +1440)" ]; then
    patient=$ALERT since=" (it has not been done for more than a day now)"
  fi
  if ! [ -e "$file" ]; then
    tell "$patient" "$day: there is no $file$since; put it there, or if that day has none: touch $STATE_DIR/done/$day"
    return 66
  fi
  if [ "$SETTLED_MINUTES" -gt 0 ] && [ -n "$(find -L "$file" -prune -mmin "-$SETTLED_MINUTES")" ]; then
    tell "$patient" "$day: $file was written to in the last $SETTLED_MINUTES minutes; it is left to the next run$since"
    return 75
  fi
  run_mpimport "$file" "$STATE_DIR/$day"
  code=$?
  summary=$(tail -n 1 "$STATE_DIR/summary")
  imported=$(($(count "$summary" imported) + $(count "$summary" already_imported)))
  rejected=$(($(count "$summary" rejected) + $(count "$summary" already_rejected)))
  printf '{"day":"%s","exit_code":%d,"summary":%s}\n' "$day" "$code" "${summary:-null}" >>"$STATE_DIR/log.ndjson"
  case $summary in
    *'"stopped": "no event was found in '*) nothing=yes ;; # and with code 6: bytes, but not of events
  esac
  if [ $((imported + rejected)) -eq 0 ] && { [ "$code" -le 1 ] || [ -n "$nothing" ]; }; then
    tell "$ALERT" "$day: no event is in $file; put the whole file there, or if that is right: touch $STATE_DIR/done/$day"
    return 66
  fi
  case $code in
    0) ;;
    1) if [ "$imported" -gt 0 ]; then hook=$NOTIFY; else hook=$ALERT; fi
      tell "$hook" "$day: $imported events were imported, $rejected rejected; what to do about them stands below. If \
that is to import the day again: rm $STATE_DIR/done/$day, and run this with DAY=$day" "$STATE_DIR/messages" ;;
    5) tell "$patient" "$day: not everything could be delivered; the next run continues$since" "$STATE_DIR/messages" ;;
    2) tell "$ALERT" "$day: refused before anything was sent; if its file was changed on purpose, import it by hand with \
--restart, then touch $STATE_DIR/done/$day" "$STATE_DIR/messages" ;;
    7) tell "$patient" "$day: another run of it is under way$since" "$STATE_DIR/messages" ;;
    129 | 130 | 143) tell "$patient" "$day: interrupted; the next run continues$since" "$STATE_DIR/messages" ;;
    *) tell "$ALERT" "$day: stopped with exit code $code" "$STATE_DIR/messages" ;;
  esac
  if [ "$code" -le 1 ]; then
    touch "$STATE_DIR/done/$day"
    rm -f "$STATE_DIR/unfinished/$day"
    [ "$code" -eq 0 ] || [ "$imported" -eq 0 ] || code=0
  fi
  return "$code"
}

# Mark the day, and those before it that no run has looked at, since the newest one that is known.
mark_days() {
  local path day number newest=
  for path in "$STATE_DIR/done/"[0-9]* "$STATE_DIR/unfinished/"[0-9]*; do
    day=${path##*/}
    if [ -e "$path" ] && [[ $day > $newest ]]; then newest=$day; fi
  done
  if [ -n "$newest" ] && [[ $newest < $DAY ]]; then
    if [ "$BACK_DAYS" -gt 0 ] && [[ $newest < $(days_before "$DAY" $((BACK_DAYS + 1))) ]]; then
      tell "$ALERT" "no run has looked at the days after $newest; $BACK_DAYS before $DAY are made up for. For each of the \
others run this with DAY set to it"
    fi
    for ((number = BACK_DAYS; number > 0; number--)); do
      day=$(days_before "$DAY" "$number")
      [[ $day < $newest || $day = "$newest" ]] || touch "$STATE_DIR/unfinished/$day"
    done
  fi
  # What is there keeps its time: since when the day is unfinished.
  [ -e "$STATE_DIR/done/$DAY" ] || [ -e "$STATE_DIR/unfinished/$DAY" ] || touch "$STATE_DIR/unfinished/$DAY"
}

# Of two exit codes, the one that somebody must know of first.
worse() {
  local code
  for code in 129 130 143 4 126 127 70 2 3 6 1 66 5 7 75; do
    if [ "$code" -eq "$1" ] || [ "$code" -eq "$2" ]; then break; fi
    code=$(($1 > $2 ? $1 : $2))
  done
  echo "$code"
}

main() {
  local path day code worst=0
  mark_days
  for path in "$STATE_DIR/unfinished/"*; do
    [ -e "$path" ] || continue # there is none: the pattern itself
    day=${path##*/}
    if [ -e "$STATE_DIR/done/$day" ]; then # by hand, as the texts above ask for
      rm -f "$path"
      continue
    fi
    import_day "$day"
    code=$?
    [ "$stop" -eq 0 ] || return "$stop"
    worst=$(worse "$worst" "$code")
    case $code in
      4 | 126 | 127 | 129 | 130 | 143) break ;; # refused, no mpimport, or to be stopped: no other day would fare better
    esac # with any other code it may be about that day only
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
