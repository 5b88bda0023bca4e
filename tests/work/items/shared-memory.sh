# POSIX and System V shared memory, message queues and semaphores
echo x > /dev/shm/work-$UID && cat /dev/shm/work-$UID && rm /dev/shm/work-$UID
python3 - <<'EOF'
import ctypes, mmap, os
c = ctypes.CDLL(None, use_errno=True)
c.shmat.restype = ctypes.c_void_p
m = c.shmget(0, 4096, 0o600 | 0o1000); p = c.shmat(m, None, 0)
q = c.msgget(0, 0o600 | 0o1000); s = c.semget(0, 1, 0o600 | 0o1000)
if os.fork() == 0:
    ctypes.memmove(p, b"child", 5)
    os._exit(c.msgsnd(q, ctypes.byref(ctypes.create_string_buffer(b"\1\0\0\0\0\0\0\0hi")), 2, 0))
print(os.wait()[1], ctypes.string_at(p, 5))
b = ctypes.create_string_buffer(16); print(c.msgrcv(q, b, 2, 0, 0), b.raw[8:10], s >= 0)
c.shmctl(m, 0, None); c.msgctl(q, 0, None); c.semctl(s, 0, 0)
f = os.memfd_create("m"); os.write(f, b"memfd"); print(mmap.mmap(f, 5)[:])
EOF
