# gdb and strace on the researcher's own processes
printf 'int f(int x) { return x + 1; }\nint main(void) { return f(41) != 42; }\n' > p.c && gcc -g -o p p.c || exit 1
gdb -nx -q -batch -ex 'break f' -ex run -ex 'print x' -ex 'set variable x = 0' -ex kill ./p 2> /dev/null | grep '^\$1'
strace -f -o trace sh -c 'cat p.c | wc -l' && grep -q execve trace && echo traced
python3 -c 'import time; print("x", flush=True); time.sleep(60)' > child.out & child=$!
until grep -q x child.out; do sleep 0.1; done
strace -o attached -p $child 2> /dev/null & tracer=$!
until grep -q TracerPid:.[1-9] /proc/$child/status; do sleep 0.1; done
kill $child; wait $tracer; grep -c SIGTERM attached | sed 's/[1-9].*/seen/'
