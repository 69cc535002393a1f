package integration_test

import "net/http"

// stripe speaks enough of Stripe's API for its SDK: customers, made from a form
// and listed in pages (https://docs.stripe.com/api/customers).
func stripe(key string) http.Handler {
	customer := func(id, email string) any {
		return map[string]any{"id": id, "object": "customer", "email": email}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/customers", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			answer(w, http.StatusBadRequest, stripeError("not a form: "+r.Header.Get("Content-Type")))
			return
		}
		answer(w, http.StatusOK, customer("cus_new", r.PostFormValue("email")))
	})
	mux.HandleFunc("GET /v1/customers", func(w http.ResponseWriter, r *http.Request) {
		page := map[string]any{"object": "list", "url": "/v1/customers", "has_more": true,
			"data": []any{customer("cus_1", "one@example.com"), customer("cus_2", "two@example.com")}}
		if r.URL.Query().Get("starting_after") == "cus_2" {
			page["has_more"], page["data"] = false, []any{customer("cus_3", "three@example.com")}
		}
		answer(w, http.StatusOK, page)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !bearer(key)(r) && !basic(key, "")(r) { // both are documented
			answer(w, http.StatusUnauthorized, stripeError("Invalid API Key provided"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func stripeError(message string) any {
	return map[string]any{"error": map[string]any{"type": "invalid_request_error", "message": message}}
}
