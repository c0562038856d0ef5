// The official Go SDK: makes the spans of a specification (spans.py) and sends them
// where its environment says.
//
//	go_sender grpc|http SPECIFICATION
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type attributes map[string]any

type specification struct {
	Resource attributes
	Scope    struct{ Name, Version string }
	Spans    []struct {
		Name, Kind, Parent string
		Start, End         int64
		Attributes         attributes
		Events             []struct {
			Name       string
			Time       int64
			Attributes attributes
		}
		Links []struct {
			TraceID    string `json:"trace_id"`
			SpanID     string `json:"span_id"`
			Flags      byte
			Attributes attributes
		}
		Status *struct{ Code, Message string }
	}
}

var kinds = map[string]trace.SpanKind{
	"INTERNAL": trace.SpanKindInternal, "SERVER": trace.SpanKindServer,
	"CLIENT": trace.SpanKindClient, "PRODUCER": trace.SpanKindProducer,
	"CONSUMER": trace.SpanKindConsumer,
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// A number with a point is a double: json.Number keeps what was written.
func number(text json.Number) any {
	if whole, err := text.Int64(); err == nil {
		return whole
	}
	return must(text.Float64())
}

func list(key string, values []any) attribute.KeyValue {
	switch first := values[0].(type) {
	case string:
		return attribute.StringSlice(key, convert[string](values))
	case bool:
		return attribute.BoolSlice(key, convert[bool](values))
	case json.Number:
		if _, whole := number(first).(int64); whole {
			return attribute.Int64Slice(key, numbers[int64](values))
		}
		return attribute.Float64Slice(key, numbers[float64](values))
	}
	log.Fatalf("%s: a list of what?", key)
	return attribute.KeyValue{}
}

func convert[T any](values []any) (all []T) {
	for _, value := range values {
		all = append(all, value.(T))
	}
	return all
}

func numbers[T any](values []any) (all []T) {
	for _, value := range values {
		all = append(all, number(value.(json.Number)).(T))
	}
	return all
}

func (a attributes) list() (all []attribute.KeyValue) {
	for key, value := range a {
		switch value := value.(type) {
		case string:
			all = append(all, attribute.String(key, value))
		case bool:
			all = append(all, attribute.Bool(key, value))
		case json.Number:
			if whole, ok := number(value).(int64); ok {
				all = append(all, attribute.Int64(key, whole))
			} else {
				all = append(all, attribute.Float64(key, number(value).(float64)))
			}
		case []any:
			all = append(all, list(key, value))
		}
	}
	return all
}

func exporter(protocol string) *otlptrace.Exporter {
	if protocol == "grpc" {
		return must(otlptracegrpc.New(context.Background()))
	}
	return must(otlptracehttp.New(context.Background()))
}

func main() {
	var wanted specification
	file := must(os.Open(os.Args[2]))
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	if err := decoder.Decode(&wanted); err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter(os.Args[1])),
		sdktrace.WithResource(must(resource.Merge(resource.Default(),
			resource.NewSchemaless(wanted.Resource.list()...)))))
	tracer := provider.Tracer(wanted.Scope.Name,
		trace.WithInstrumentationVersion(wanted.Scope.Version))
	made := map[string]context.Context{"": context.Background()}
	for _, span := range wanted.Spans {
		options := []trace.SpanStartOption{
			trace.WithSpanKind(kinds[span.Kind]),
			trace.WithTimestamp(time.Unix(0, span.Start)),
			trace.WithAttributes(span.Attributes.list()...)}
		for _, link := range span.Links {
			options = append(options, trace.WithLinks(trace.Link{
				SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
					TraceID:    must(trace.TraceIDFromHex(link.TraceID)),
					SpanID:     must(trace.SpanIDFromHex(link.SpanID)),
					TraceFlags: trace.TraceFlags(link.Flags), Remote: true}),
				Attributes: link.Attributes.list()}))
		}
		ctx, started := tracer.Start(made[span.Parent], span.Name, options...)
		for _, event := range span.Events {
			started.AddEvent(event.Name, trace.WithTimestamp(time.Unix(0, event.Time)),
				trace.WithAttributes(event.Attributes.list()...))
		}
		if span.Status != nil && span.Status.Code == "ERROR" {
			started.SetStatus(codes.Error, span.Status.Message)
		} else if span.Status != nil {
			started.SetStatus(codes.Ok, "")
		}
		made[span.Name] = ctx
	}
	for _, span := range wanted.Spans {
		trace.SpanFromContext(made[span.Name]).End(trace.WithTimestamp(time.Unix(0, span.End)))
	}
	if err := provider.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}
