# jobs, signals, pipes, priorities, limits, terminals
sleep 30 & kill -STOP $! && kill -CONT $! && kill $!; wait $!; echo "ended with $?"
nohup sh -c 'echo nohup' 2> /dev/null; setsid -w echo setsid; timeout 1 sleep 5; echo "timeout $?"
nice -n 5 sh -c 'echo nice $(nice)'; renice -n 6 -p $$ > /dev/null; nice; (ulimit -n 100; ulimit -n); taskset -c 0 echo pinned; chrt -b 0 echo batch; ionice -c 3 echo idle
coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"; kill $COPROC_PID
ps -o comm= -p $$; pgrep -c -u "$USER" bash > /dev/null && echo found; top -b -n 1 | grep -c 'load average'; script -qec 'tty | grep -c /dev/pts' /dev/null | tr -d '\r'
