package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// What every answer of languageModels says that it used.
const (
	modelInput  = 1234
	modelOutput = 567
)

// languageModels answer "hello" in the form of each vendor's API, at once or as a stream
// of events, and say how many tokens they used. They take any credential but an agent's.
func languageModels(agentTokens ...string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		body := decode(r)
		usage := map[string]any{"prompt_tokens": modelInput, "completion_tokens": modelOutput, "total_tokens": modelInput + modelOutput}
		chunk := func(kind string, choice, usage map[string]any) map[string]any {
			m := map[string]any{"id": "c1", "object": kind, "created": 1, "model": "m", "choices": []any{}}
			if choice != nil {
				choice["index"] = 0
				m["choices"] = []any{choice}
			}
			if usage != nil {
				m["usage"] = usage
			}
			return m
		}
		if body["stream"] != true {
			answer(w, http.StatusOK, chunk("chat.completion", map[string]any{"finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": "hello"}}, usage))
			return
		}
		saidOneByOne(w, "", chunk("chat.completion.chunk", map[string]any{"delta": map[string]any{"role": "assistant", "content": "hello"}, "finish_reason": nil}, nil),
			chunk("chat.completion.chunk", map[string]any{"delta": map[string]any{"content": ""}, "finish_reason": "stop"}, nil), chunk("chat.completion.chunk", nil, usage), "[DONE]")
	})
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		part := map[string]any{"type": "output_text", "text": "hello", "annotations": []any{}}
		item := map[string]any{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []any{part}}
		whole := map[string]any{"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": []any{item},
			"usage": map[string]any{"input_tokens": modelInput, "input_tokens_details": map[string]any{"cached_tokens": 0}, "output_tokens": modelOutput, "output_tokens_details": map[string]any{"reasoning_tokens": 0}, "total_tokens": modelInput + modelOutput}}
		if decode(r)["stream"] != true {
			answer(w, http.StatusOK, whole)
			return
		}
		saidOneByOne(w, "", map[string]any{"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "hello"}, map[string]any{"type": "response.completed", "response": whole})
	})
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		m := message(map[string]any{"type": "text", "text": "hello"})
		m["usage"] = map[string]any{"input_tokens": modelInput, "output_tokens": modelOutput}
		if decode(r)["stream"] != true {
			answer(w, http.StatusOK, m)
			return
		}
		begin := message()
		begin["usage"] = map[string]any{"input_tokens": modelInput, "output_tokens": 1}
		saidOneByOne(w, "type", map[string]any{"type": "message_start", "message": begin}, map[string]any{"type": "content_block_start", "index": 0, "content_block": map[string]any{"type": "text", "text": ""}},
			map[string]any{"type": "content_block_delta", "index": 0, "delta": map[string]any{"type": "text_delta", "text": "hello"}}, map[string]any{"type": "content_block_stop", "index": 0},
			map[string]any{"type": "message_delta", "delta": map[string]any{"stop_reason": "end_turn", "stop_sequence": nil}, "usage": map[string]any{"output_tokens": modelOutput}}, map[string]any{"type": "message_stop"})
	})
	gemini := func(part int) map[string]any {
		return map[string]any{"modelVersion": "m", "candidates": []any{map[string]any{"content": map[string]any{"role": "model", "parts": []any{map[string]any{"text": "hello"}}}}},
			"usageMetadata": map[string]any{"promptTokenCount": modelInput, "candidatesTokenCount": modelOutput - part, "totalTokenCount": modelInput + modelOutput - part}}
	}
	mux.HandleFunc("POST /v1beta/models/{call}", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.PathValue("call"), ":streamGenerateContent") {
			saidOneByOne(w, "", gemini(500), gemini(0))
			return
		}
		answer(w, http.StatusOK, gemini(0))
	})
	mux.HandleFunc("POST /v2/chat", func(w http.ResponseWriter, r *http.Request) {
		usage := map[string]any{"billed_units": map[string]any{"input_tokens": 1, "output_tokens": 1}, "tokens": map[string]any{"input_tokens": modelInput, "output_tokens": modelOutput}}
		if decode(r)["stream"] != true {
			answer(w, http.StatusOK, map[string]any{"id": "c1", "finish_reason": "COMPLETE", "message": map[string]any{"role": "assistant", "content": []any{map[string]any{"type": "text", "text": "hello"}}}, "usage": usage})
			return
		}
		saidOneByOne(w, "type", map[string]any{"type": "message-start", "id": "c1", "delta": map[string]any{"message": map[string]any{"role": "assistant", "content": []any{}}}},
			map[string]any{"type": "content-delta", "index": 0, "delta": map[string]any{"message": map[string]any{"content": map[string]any{"text": "hello"}}}},
			map[string]any{"type": "message-end", "delta": map[string]any{"finish_reason": "COMPLETE", "usage": usage}})
	})
	mux.HandleFunc("POST /model/{model}/converse", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"output": map[string]any{"message": map[string]any{"role": "assistant", "content": []any{map[string]any{"text": "hello"}}}}, "stopReason": "end_turn",
			"usage": map[string]any{"inputTokens": modelInput, "outputTokens": modelOutput, "totalTokens": modelInput + modelOutput}, "metrics": map[string]any{"latencyMs": 1}})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, token := range agentTokens {
			if strings.Contains(fmt.Sprint(r.Header, r.URL), token) {
				answer(w, http.StatusUnauthorized, map[string]any{"message": "an agent's token"})
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// saidOneByOne sends a stream of events; named is the member of their data that names them too,
// empty for none.
func saidOneByOne(w http.ResponseWriter, named string, all ...any) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, data := range all {
		text, plain := data.(string)
		if !plain {
			b, _ := json.Marshal(data)
			text = string(b)
			if named != "" {
				fmt.Fprintf(w, "event: %s\n", data.(map[string]any)[named])
			}
		}
		fmt.Fprintf(w, "data: %s\n\n", text)
		w.(http.Flusher).Flush()
	}
}
