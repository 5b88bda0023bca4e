# Python: a venv, a wheel from a local file, multiprocessing, shared memory, NumPy's memory maps, SQLite, asyncio
python3 - <<'EOF'
import zipfile
with zipfile.ZipFile("hello-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("hello.py", "def say():\n    return 'hello from a wheel'\n")
    wheel.writestr("hello-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n")
    wheel.writestr("hello-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("hello-1.0.dist-info/RECORD", "hello.py,,\nhello-1.0.dist-info/METADATA,,\nhello-1.0.dist-info/WHEEL,,\nhello-1.0.dist-info/RECORD,,\n")
EOF
python3 -m venv --without-pip env || exit 1
python3 -m pip --quiet --disable-pip-version-check --python env/bin/python install --no-index --no-deps ./hello-1.0-py3-none-any.whl || exit 1
env/bin/python -c 'import hello; print(hello.say())' || exit 1
python3 - <<'EOF'
import asyncio, multiprocessing, numpy, os, sqlite3, tempfile
from multiprocessing import shared_memory

def square(x):
    return x * x

def fill(name):
    memory = shared_memory.SharedMemory(name)
    memory.buf[:5] = b"child"
    memory.close()

if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(10)))
    memory = shared_memory.SharedMemory(create=True, size=64)
    child = multiprocessing.Process(target=fill, args=(memory.name,))
    child.start(); child.join()
    print(bytes(memory.buf[:5])); memory.close(); memory.unlink()
    table = numpy.memmap("table.bin", dtype="int64", mode="w+", shape=(100, 100))
    table[:] = numpy.arange(10000).reshape(100, 100); table.flush(); del table
    print(int(numpy.memmap("table.bin", dtype="int64", mode="r").sum()), os.stat("table.bin").st_size)
    with tempfile.TemporaryDirectory() as place:
        with sqlite3.connect(f"{place}/d") as data:
            data.execute("create table t(x)"); data.executemany("insert into t values (?)", [(i,) for i in range(100)])
            print(data.execute("select sum(x) from t").fetchone())
    async def two():
        process = await asyncio.create_subprocess_exec("echo", "from a subprocess", stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0]
    print(asyncio.run(two()))
EOF
