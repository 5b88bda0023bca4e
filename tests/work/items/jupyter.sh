# Jupyter: a server on loopback, asked over HTTP, and a kernel that computes, over ZeroMQ on loopback
export JUPYTER_TOKEN=secret
port=8899
jupyter-server --ServerApp.port=$port --ServerApp.port_retries=0 > server.log 2>&1 &
server=$!
api=http://127.0.0.1:$port/api
until curl -s -o /dev/null "$api"; do kill -0 $server || { cat server.log; exit 1; }; sleep 1; done
kernel=$(curl -s -X POST -H 'Authorization: token secret' -d '{"name":"python3"}' $api/kernels | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
echo "started: ${#kernel}"
python3 - "$kernel" <<'EOF'
import hashlib, hmac, json, os, sys, zmq
place = os.path.expanduser("~/.local/share/jupyter/runtime")
with open(f"{place}/kernel-{sys.argv[1]}.json") as file:
    at = json.load(file)
shell = zmq.Context().socket(zmq.DEALER)
shell.connect(f"tcp://{at['ip']}:{at['shell_port']}")
header = {"msg_id": "1", "session": "1", "username": "r", "date": "2026-01-01T00:00:00Z", "msg_type": "execute_request", "version": "5.3"}
content = {"code": "open('from-the-kernel', 'w').write('x' * 7)", "silent": False, "store_history": False,
           "user_expressions": {"answer": "6 * 7"}, "allow_stdin": False, "stop_on_error": True}
parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
signature = hmac.new(at["key"].encode(), b"".join(parts), hashlib.sha256).hexdigest().encode()
shell.send_multipart([b"<IDS|MSG>", signature, *parts])
reply = json.loads(shell.recv_multipart()[-1])
print(reply["status"], reply["user_expressions"]["answer"]["data"]["text/plain"])
EOF
code=$?
curl -s -X DELETE -H 'Authorization: token secret' -o /dev/null -w '%{http_code}\n' $api/kernels/$kernel
curl -s -X PUT -H 'Authorization: token secret' -d '{"type":"file","format":"text","content":"saved\n"}' -o /dev/null -w '%{http_code}\n' $api/contents/note.txt
cat note.txt; wc -c < from-the-kernel
kill $server; wait $server
exit $code
