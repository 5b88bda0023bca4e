# gcc and make build a program of two files, in parallel
printf 'int twice(int x) { return 2 * x; }\n' > twice.c
printf '#include <stdio.h>\nint twice(int);\nint main(void) { printf("%%d\\n", twice(21)); return 0; }\n' > main.c
printf 'program: main.o twice.o\n\tgcc -o $@ $^\n%%.o: %%.c\n\tgcc -pipe -O1 -c $<\nclean:\n\trm -f *.o program\n' > Makefile
make -j2 -s && ./program && make -s clean && ls
