// A gRPC server by grpc-go: prints its port, then writes each request it gets as a
// line of OTLP/JSON, by the Collector's own printer. Stops at the end of its input.
//
//	go_server OUTPUT
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"
)

type server struct {
	ptraceotlp.UnimplementedGRPCServer
	output *os.File
}

func (s *server) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(request.Traces())
	if err == nil {
		_, err = s.output.Write(append(line, '\n'))
	}
	return ptraceotlp.NewExportResponse(), err
}

func main() {
	output, err := os.OpenFile(os.Args[1], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	all := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	ptraceotlp.RegisterGRPCServer(all, &server{output: output})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		all.Stop()
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := all.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
