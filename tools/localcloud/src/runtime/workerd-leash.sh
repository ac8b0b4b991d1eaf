#!/bin/sh
# Runs workerd so that it cannot outlive the process that started it: a process
# killed by SIGKILL has no chance to end its workerd, which would keep ports and
# databases open. Records workerd's process id for the next start to check.
parent=$PPID
self=$$
echo "$self" > "$LOCALCLOUD_WORKERD_PID_FILE"
(
  exec <&- >/dev/null 2>&1 3>&-
  # A killed process that nobody has waited for still has an id, but no program.
  runs() { kill -0 "$1" && { [ ! -e "/proc/self/exe" ] || [ -e "/proc/$1/exe" ]; }; }
  while runs "$self" && runs "$parent"; do sleep 0.5; done
  runs "$parent" || kill -9 "$self"
) &
exec "$LOCALCLOUD_WORKERD" "$@"
