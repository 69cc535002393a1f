package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// openAI speaks enough of OpenAI's API for its SDK: models, chat completions
// as one answer or as a stream of server-sent events, and responses
// (https://platform.openai.com/docs/api-reference).
func openAI(key string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"object": "list", "data": []any{
			map[string]any{"id": "test-model", "object": "model", "created": 1, "owned_by": "test"},
		}})
	})
	mux.HandleFunc("POST /v1/chat/completions", chatCompletion)
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "test-model",
			"output": []any{map[string]any{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
				"content": []any{map[string]any{"type": "output_text", "text": "echo: " + fmt.Sprint(decode(r)["input"]), "annotations": []any{}}}}},
		})
	})
	mux.HandleFunc("POST /v1/files", func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("file")
		if err != nil {
			answer(w, http.StatusBadRequest, openAIError(err.Error()))
			return
		}
		defer file.Close()
		answer(w, http.StatusOK, map[string]any{"id": "file_1", "object": "file", "bytes": header.Size,
			"created_at": 1, "filename": header.Filename, "purpose": r.FormValue("purpose"), "status": "processed"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !bearer(key)(r) {
			answer(w, http.StatusUnauthorized, openAIError("Incorrect API key provided."))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func openAIError(message string) any {
	return map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "code": "invalid_api_key"}}
}

// chatCompletion echoes the last message, in three parts when streamed. The
// parts are 150 ms apart, so that a client can tell a stream from a buffer.
func chatCompletion(w http.ResponseWriter, r *http.Request) {
	body := decode(r)
	messages, _ := body["messages"].([]any)
	said := ""
	if len(messages) > 0 {
		m, _ := messages[len(messages)-1].(map[string]any)
		said, _ = m["content"].(string)
	}
	if body["stream"] != true {
		answer(w, http.StatusOK, map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test-model",
			"choices": []any{map[string]any{"index": 0, "finish_reason": "stop",
				"message": map[string]any{"role": "assistant", "content": "echo: " + said}}},
			"usage": map[string]any{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
		})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for i, part := range []string{"echo", ": ", said} {
		if i > 0 {
			time.Sleep(150 * time.Millisecond)
		}
		event, _ := json.Marshal(map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test-model",
			"choices": []any{map[string]any{"index": 0, "delta": map[string]any{"content": part}}},
		})
		fmt.Fprintf(w, "data: %s\n\n", event)
		w.(http.Flusher).Flush()
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}
