"""A service of FastAPI and its client, traced by their instrumentations alone.

    python_service.py PORT"""
import sys
import threading
import time

import fastapi
import httpx
import uvicorn
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from python_provider import begin

provider = begin()
HTTPXClientInstrumentor().instrument()
tracer = trace.get_tracer("service")
app = fastapi.FastAPI()


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.get("/items/{number}")
async def item(number: int):
    with tracer.start_as_current_span("look up", attributes={"cache.hit": False}):
        return {"number": number}


@app.get("/fails")
def fails():
    raise RuntimeError("no such thing")


FastAPIInstrumentor.instrument_app(app)
server = uvicorn.Server(uvicorn.Config(app, port=int(sys.argv[1]), log_level="critical"))
thread = threading.Thread(target=server.run, daemon=True)
thread.start()
while not server.started:
    time.sleep(0.01)
url = f"http://127.0.0.1:{sys.argv[1]}"
with tracer.start_as_current_span("root"):
    for path, code in (("/health", 200), ("/items/7", 200), ("/fails", 500), ("/nowhere", 404)):
        assert httpx.get(url + path).status_code == code, path
server.should_exit = True
thread.join(30)
provider.force_flush()
provider.shutdown()
