package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// anthropic speaks enough of Anthropic's API for its SDK: messages, as one
// answer or streamed (https://docs.anthropic.com/en/api/messages). It asks for
// the version header, as the real service does.
func anthropic(key string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Anthropic-Version") == "" {
			answer(w, http.StatusBadRequest, anthropicError("invalid_request_error", "anthropic-version: header is required"))
			return
		}
		body := decode(r)
		messages, _ := body["messages"].([]any)
		said := ""
		if len(messages) > 0 {
			m, _ := messages[len(messages)-1].(map[string]any)
			said, _ = m["content"].(string)
		}
		if body["stream"] == true {
			streamMessage(w, "echo: ", said)
			return
		}
		answer(w, http.StatusOK, message(map[string]any{"type": "text", "text": "echo: " + said}))
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"data": []any{
			map[string]any{"type": "model", "id": "test-model", "display_name": "Test", "created_at": "2026-01-01T00:00:00Z"},
		}, "has_more": false})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !header("X-Api-Key", key)(r) && !bearer(key)(r) { // the SDK sends the latter
			answer(w, http.StatusUnauthorized, anthropicError("authentication_error", "invalid x-api-key"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func message(content ...any) map[string]any {
	return map[string]any{"id": "msg_1", "type": "message", "role": "assistant", "model": "test-model",
		"content": append([]any{}, content...), "stop_reason": "end_turn", "stop_sequence": nil,
		"usage": map[string]any{"input_tokens": 1, "output_tokens": 1}}
}

func anthropicError(kind, text string) any {
	return map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": text}}
}

// streamMessage sends the events of a message with one text block, its parts
// 150 ms apart (https://docs.anthropic.com/en/docs/build-with-claude/streaming).
func streamMessage(w http.ResponseWriter, parts ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(event string, data map[string]any) {
		data["type"] = event
		b, _ := json.Marshal(data)
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, b)
		w.(http.Flusher).Flush()
	}
	send("message_start", map[string]any{"message": message()})
	send("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "text", "text": ""}})
	for i, part := range parts {
		if i > 0 {
			time.Sleep(150 * time.Millisecond)
		}
		send("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "text_delta", "text": part}})
	}
	send("content_block_stop", map[string]any{"index": 0})
	send("message_delta", map[string]any{"delta": map[string]any{"stop_reason": "end_turn", "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": 2}})
	send("message_stop", map[string]any{})
}
