# servers of the researcher's own, over TCP on loopback and on unix sockets in a workspace
cat > server.py <<'EOF'
import http.server, os, socket, socketserver, threading
open("index.html", "w").write("page\n")
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
class Echo(socketserver.StreamRequestHandler):
    def handle(self): self.wfile.write(self.rfile.readline().upper())
unix = socketserver.UnixStreamServer("./echo.sock", Echo)
six = socket.create_server(("::1", 0), family=socket.AF_INET6)
for server in (web, unix): threading.Thread(target=server.serve_forever, daemon=True).start()
open("ports.tmp", "w").write(f"{web.server_port} {six.getsockname()[1]}\n"); os.rename("ports.tmp", "ports")
peer, _ = six.accept(); peer.sendall(b"over six\n"); peer.close()
threading.Event().wait()
EOF
python3 server.py & server=$!
until [ -f ports ]; do kill -0 $server || exit 1; sleep 0.1; done
read -r web six < ports
curl -s http://127.0.0.1:$web/index.html; curl -s http://localhost:$web/index.html; echo hello | timeout 10 nc -U -N ./echo.sock
python3 -c "import socket; print(socket.create_connection(('::1', $six), 10).recv(99)); a, b = socket.socketpair(); a.send(b'pair'); print(b.recv(9))"
kill $server; ip -o address show lo | grep -c 127.0.0.1
