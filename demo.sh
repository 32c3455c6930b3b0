#!/usr/bin/env bash
# A guided tour of Tarn: starts a node in ./demo-lake, fills it, asks it,
# mounts it, and shows every command with its real output.
#
#   INPUT=path   CSV, NDJSON, JSON, Parquet, Avro or Arrow files to use, one table
#                a directory or name; without it a made-up shop
#   ROWS=n       size of the made-up shop, over all its tables
#
# On a terminal the lake stays up until Ctrl-C. Elsewhere the tour ends by
# itself. Either way the node is stopped, the mount ended and the directory
# removed again, if this script made it.
set -euo pipefail
cd "$(dirname "$0")"

input=${INPUT:-}
rows=${ROWS:-2000000}
lake=demo-lake
mnt=$lake/mnt
bin=$PWD/bin/tarn
server= mount= made= started=$SECONDS
interrupted=130 # the exit status of Ctrl-C: 0 once the tour is over

main() {
  check_arguments
  make_lake
  trap 'exit $interrupted' INT TERM HUP
  trap clean_up EXIT
  start_node
  if [ -n "$input" ]; then
    own_tour
  else
    shop_tour
  fi
  look_at_files
  say "That was the tour, in $((SECONDS - started)) seconds."
  interrupted=0
  stay_up
}

# --- the tour of the made-up shop ------------------------------------------

shop_tour() {
  say "A shop that never was: $rows rows of products, orders, order lines and clicks."
  run "tarn generate $lake/input --rows $rows --file-rows $((rows / 10 + 1))"
  local right
  right=$(sed -n 's/^must answer: //p' "$lake/output")

  say 'Files go in, each as one commit. The types are inferred and kept exactly: money is a decimal, never a float.'
  run "tarn ingest products    $lake/input/products    --create --sort-by product_id"
  run "tarn ingest orders      $lake/input/orders      --create --partition-by 'month(ordered_at)' --sort-by ordered_at --key monday"
  run "tarn ingest order_lines $lake/input/order_lines --create --partition-by 'month(ordered_at)' --sort-by product_id"
  run "tarn ingest clicks      $lake/input/clicks      --create --partition-by 'month(at)' --sort-by at"
  run 'tarn table list'

  say 'The same command with the same key adds nothing, so it is safe to run it again.'
  run "tarn ingest orders $lake/input/orders --key monday"

  say 'The question whose answer the generator knows:'
  run "tarn query --output csv 'SELECT count(*), sum(total), count(return_of), count(*) - count(customer_id) FROM orders'"
  [ "$(tail -n 1 "$lake/output")" = "$right" ] || die "that must be $right"
  say "It must be $right: right."

  say 'Other questions: to the cent, returns included.'
  run "tarn query 'SELECT country, count(*) AS orders, sum(total) AS revenue FROM orders GROUP BY country ORDER BY revenue DESC LIMIT 5'"
  run "tarn query 'SELECT year(ordered_at), month(ordered_at), count(*), sum(quantity * unit_price) AS revenue FROM order_lines GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 12'"
  run "tarn scan order_lines --where 'quantity < 0' --group-by country --select 'country, count(*) AS returned, sum(quantity * unit_price) AS value' --order-by 'returned DESC' --limit 3"
  run "tarn scan orders --where 'customer_id IS NULL' --select 'count(*) AS guests, avg(total)'"
  run "tarn scan clicks --where \"page LIKE '/p/%' AND referrer IS NOT NULL\" --select 'at, page, device, shown' --limit 3"

  say 'What a question reads, and what it need not read, and why:'
  run "tarn query --explain \"SELECT count(*), sum(total) FROM orders WHERE ordered_at >= TIMESTAMP '2025-12-01 00:00:00'\""
  time_travel orders total
}

# --- the tour of the user's own files --------------------------------------

own_tour() {
  say "Your files: $input"
  group_files
  local table loaded=()
  for table in "${!files_of[@]}"; do
    local list
    mapfile -t list <<<"${files_of[$table]}"
    if ingest_own "$table" "${list[@]}"; then loaded+=("$table"); fi
  done
  [ ${#loaded[@]} -gt 0 ] || die 'none of the files could be taken'
  run 'tarn table list'
  for table in "${loaded[@]:0:5}"; do
    say "The table $table:"
    run "tarn table describe $table"
    run "tarn scan $table --limit 5"
    run "tarn query 'SELECT count(*) FROM \"$table\"'"
    run "tarn query --explain 'SELECT count(*) FROM \"$table\"'"
    time_travel "$table"
  done
}

# ingest_own TABLE FILE…
ingest_own() {
  local table=$1 quoted
  shift
  printf -v quoted ' %q' "$@"
  if [ $# -gt 3 ]; then
    echo "\$ tarn ingest $table $1 … ($# files) --create"
    if timed "tarn ingest $table$quoted --create"; then return 0; fi
  elif run "tarn ingest $table$quoted --create"; then
    return 0
  fi
  say "The tour goes on without $table."
  return 1
}

# group_files fills files_of: which files, one a line, make up which table. A
# directory within the input is a table, and files whose names differ only in
# their numbers are one: sales-2024.csv and sales-2025.csv are "sales".
declare -A files_of=()
group_files() {
  local roots root file table
  if [ -e "$input" ]; then roots=("$input"); else read -ra roots <<<"$input"; fi
  for root in "${roots[@]}"; do
    while IFS= read -r file; do
      table=$(table_name "$root" "$file")
      files_of[$table]+="${files_of[$table]:+$'\n'}$file"
    done < <(find -L $root -type f -not -path '*/.*/*' -regextype posix-extended \
      -iregex '.*\.(csv|tsv|ndjson|jsonl|json|parquet|avro|arrow|arrows|feather|ipc)(\.gz|\.zst)?' | LC_ALL=C sort)
  done
  [ ${#files_of[@]} -gt 0 ] || die "no CSV, NDJSON, JSON, Parquet, Avro or Arrow files at $input"
}

table_name() { # ROOT FILE
  local inside=${2#"${1%/}"/} name
  name=${2##*/}
  name=$(sed -E 's/(\.[A-Za-z]+){1,2}$//; s/[-_. ]*[0-9]{2}[-_.T0-9]*$//' <<<"$name")
  if [ "$inside" != "$2" ] && [[ $inside == */* && ${inside%%/*} != *=* ]]; then
    name=${inside%%/*}
  elif [[ $name =~ ^(|part|data)$ || $inside == *=* ]]; then
    name=$(basename "$(dirname "$(realpath "$2")")")
    [ "$inside" = "$2" ] || name=$(basename "$(realpath "$1")")
  fi
  sed -E 's/[^A-Za-z0-9]+/_/g; s/^_+|_+$//g; s/^$/rows/' <<<"$name"
}

# --- both tours -------------------------------------------------------------

# time_travel TABLE [COLUMN]: the table now, and as it was after its first file.
time_travel() {
  local what='count(*)'
  [ -z "${2:-}" ] || what="count(*), sum($2)"
  say 'Every commit is a version that can still be read.'
  run "tarn table history $1"
  run "tarn query 'SELECT $what FROM \"$1\"'"
  run "tarn query 'SELECT $what FROM \"$1\"' --at 2"
}

look_at_files() {
  if ! (exec 3<>/dev/fuse) 2>/dev/null; then
    say 'The mount is left out: /dev/fuse cannot be opened here. Run the demo as root, or in a container with --device /dev/fuse --cap-add SYS_ADMIN.'
    return
  fi
  say 'The lake as files, read-only, for any tool.'
  mkdir -p "$mnt"
  echo "\$ tarn mount $mnt &"
  bound "$bin" mount "$mnt" --cache-dir "$lake/cache" >"$lake/mount.log" 2>&1 &
  mount=$!
  if ! wait_for 100 mounted_or_over || ! mountpoint -q "$mnt"; then
    say "The mount is left out, because: $(tail -n 3 "$lake/mount.log")"
    return
  fi
  local table=orders
  [ -z "$input" ] || table=$("$bin" table list --output csv | sed -n '2s/,.*//p')
  run "ls $mnt"
  run "find $mnt/$table -name '*.parquet' | sort"
  run "find $mnt/.csv/$table -name '*.csv' | sort | head -n 1 | xargs head -n 4"
  if [ -z "$input" ]; then
    run "cat $mnt/.csv/orders/*/*.csv | grep -v ^order_id | awk -F, '{cents += \$NF * 100} END {printf \"%d orders, %.2f in all\\n\", NR, cents / 100}'"
  fi
  if command -v duckdb >/dev/null; then
    run "duckdb -c \"SELECT count(*) FROM read_parquet('$mnt/$table/**/*.parquet')\""
  else
    say "With DuckDB: SELECT count(*) FROM read_parquet('$PWD/$mnt/$table/**/*.parquet', hive_partitioning = true)"
  fi
}

mounted_or_over() { mountpoint -q "$mnt" || gone "$mount"; }

stay_up() {
  if ! [ -t 0 ] || ! [ -t 1 ]; then return; fi
  cat <<END

The lake stays up until Ctrl-C. In another terminal:
  export TARN_ADDR=$TARN_ADDR
  $bin table list
  ls $PWD/$mnt
END
  wait "$server" || die "the node ended by itself: $(tail -n 5 "$lake/server.log")"
}

# --- showing -----------------------------------------------------------------

say() { printf -- '-- %s\n\n' "$*"; }

die() {
  echo "demo: $*" >&2
  exit 1
}

tarn() { "$bin" "$@"; }

# run COMMAND shows a command, runs it, and says how long it took.
run() {
  echo "\$ $1"
  timed "$1"
}

timed() {
  local from=$EPOCHREALTIME to status=0
  eval "$1" 2>&1 | tee "$lake/output" | squeeze || status=$?
  to=$EPOCHREALTIME
  printf '[%d ms]\n\n' $(((${to//[.,]/} - ${from//[.,]/}) / 1000))
  return $status
}

# squeeze leaves out the middle of a long output.
squeeze() {
  awk 'NR <= 12 {print; next} {tail[NR % 6] = $0}
    END {if (NR > 18) printf "  … %d lines …\n", NR - 18; for (i = (NR > 18 ? NR - 5 : 13); i <= NR; i++) print tail[i % 6]}'
}

# wait_for TRIES COMMAND… asks ten times a second.
wait_for() {
  local tries=$1
  shift
  while ! "$@" 2>/dev/null; do
    ((tries-- > 0)) || return 1
    sleep 0.1
  done
}

# --- beginning and end --------------------------------------------------------

check_arguments() {
  [ -x "$bin" ] || die 'there is no bin/tarn; run: make demo'
  [[ $rows =~ ^[1-9][0-9]*$ ]] || die "ROWS=$rows is not a number of rows"
}

# make_lake makes the directory. What an interrupted demo left is cleared
# away; anything else is left alone.
make_lake() {
  if [ -f "$lake/.demo" ]; then
    local pid
    read -r pid <"$lake/.demo" || true
    if [ -n "$pid" ] && grep -qs demo.sh "/proc/$pid/cmdline"; then
      die "another demo is at work in $lake (process $pid)"
    fi
    made=yes
    clear_away
  fi
  if [ -d "$lake" ] && [ -n "$(ls -A "$lake")" ]; then
    die "$lake is there already and is not the demo's; move it away"
  fi
  [ -d "$lake" ] || made=yes
  mkdir -p "$lake"
  echo $$ >"$lake/.demo"
}

# busy PORT says whether somebody listens there.
busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_node() {
  say "A node in $lake/node."
  local port
  for port in $(seq 7460 2 7558); do
    if start_at "$port"; then
      export TARN_ADDR=127.0.0.1:$port
      grep 'ready at' "$lake/server.log"
      echo
      run 'tarn status'
      return
    fi
  done
  die 'no two ports from 7460 to 7559 are free'
}

# start_at PORT starts the node there and on the next port, unless somebody
# else has one of them.
start_at() {
  local command="server --dir $lake/node --listen 127.0.0.1:$1 --http 127.0.0.1:$(($1 + 1))"
  if busy "$1" || busy $(($1 + 1)); then return 1; fi
  # shellcheck disable=SC2086 # words on purpose
  bound "$bin" $command >"$lake/server.log" 2>&1 &
  server=$!
  wait_for 300 ready_or_over || die 'the node is not ready after 30 seconds'
  if grep -q 'ready at' "$lake/server.log"; then
    echo "\$ tarn $command &"
    return 0
  fi
  server=
  grep -q 'address already in use' "$lake/server.log" || die "the node ended: $(tail -n 5 "$lake/server.log")"
  return 1
}

ready_or_over() { grep -q 'ready at' "$lake/server.log" || gone "$server"; }

# bound runs a command that must not outlive this script, not even if it is
# killed outright.
bound() {
  if command -v setpriv >/dev/null; then exec setpriv --pdeathsig TERM "$@"; fi
  exec "$@"
}

clean_up() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  stop "$mount"
  stop "$server"
  clear_away
  exit "$status"
}

# stop PID asks a process of ours to end, and insists after 15 seconds.
stop() {
  [ -n "$1" ] || return 0
  kill -TERM "$1" 2>/dev/null || return 0
  wait_for 150 gone "$1" || kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

gone() { ! kill -0 "$1"; }

# clear_away removes what the demo made, never through a mount.
clear_away() {
  if mountpoint -q "$mnt" 2>/dev/null; then "$bin" umount "$mnt" || umount -l "$mnt" || fusermount3 -uz "$mnt" || true; fi
  if mountpoint -q "$mnt" 2>/dev/null; then
    echo "demo: $mnt is still mounted, so $lake stays; end the programs that use it, then: $bin umount $mnt && rm -r $lake" >&2
    return
  fi
  rm -rf "$lake/node" "$lake/input" "$lake/cache" "$mnt" "$lake/server.log" "$lake/mount.log" "$lake/output" || return 0 # a process writes there still
  rm -f "$lake/.demo"
  [ -z "$made" ] || rmdir "$lake" 2>/dev/null || echo "demo: $lake holds files that are not the demo's, so it stays" >&2
}

main
