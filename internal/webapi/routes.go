package webapi

import (
	"net/http"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// How much a body may hold.
const (
	small = 64 << 10
	large = 16 << 20 // histories, with images in content parts

	batched = 8 << 20 // 1000 ratings
)

// routes is the API: a line a route.
func (s *API) routes() []route {
	chats := permission{identity.ScopeChat}
	rates := permission{identity.ScopeFeedback, identity.ScopeFeedbackOthers}
	everything := permission{identity.ScopeTraces}
	admin := permission{identity.ScopeAdmin}
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []route{
		{get, "/healthz", anybody, free, 0, plain(http.HandlerFunc(s.health)), "Liveness"},
		{get, "/readyz", anybody, free, 0, plain(http.HandlerFunc(s.ready)), "Readiness"},
		{get, "/metrics", admin, free, 0, plain(s.Metrics), "Prometheus metrics"},
		{get, "/api/openapi.json", anybody, free, 0, describes, "This description"},

		{get, "/api/v1/agents", chats, free, 0, typed(s.listAgents), "What may be talked to"},
		{post, "/api/v1/agents/{agent_id}/invocations", chats, turns, large, typed(s.invokeAgent, streams), "Ask an agent"},
		{post, "/api/invoke_endpoint", chats, turns, large, typed(s.invokeEndpoint, streams), "Ask an agent, for front ends that already speak this"},

		{post, "/v1/chat/completions", chats, turns, large, openAI(s.openAIChat), "Ask an agent as OpenAI's clients do"},
		{post, "/v1/responses", chats, turns, large, openAI(s.openAIResponses), "Ask an agent as OpenAI's clients do"},
		{get, "/v1/models", chats, free, 0, openAI(s.openAIModels), "The agents, as OpenAI's clients ask for them"},
		{get, "/v1/models/{model}", chats, free, 0, openAI(s.openAIModel), "One agent, as OpenAI's clients ask for it"},

		{get, "/api/v1/conversations", chats, free, 0, typed(s.listConversations), "List or search conversations, the newest first"},
		{post, "/api/v1/conversations", chats, free, large, typed(s.importConversation, status(http.StatusCreated)), "Import a conversation"},
		{get, "/api/v1/conversations/{id}", chats, free, 0, typed(s.getConversation), "Read a conversation's title and times"},
		{patch, "/api/v1/conversations/{id}", chats, free, small, typed(s.renameConversation), "Rename a conversation"},
		{del, "/api/v1/conversations/{id}", chats, free, 0, typed(s.deleteConversation, status(http.StatusNoContent)), "Delete a conversation and its text; ratings stay"},
		{get, "/api/v1/conversations/{id}/messages", chats, free, 0, typed(s.listMessages), "Read all messages of a conversation, the oldest first"},
		{post, "/api/v1/conversations/{id}/share", chats, free, small, typed(s.shareConversation, status(http.StatusCreated)), "Make a read-only link to a conversation as it is now; the one before is dead"},
		{del, "/api/v1/conversations/{id}/share", chats, free, 0, typed(s.unshareConversation, status(http.StatusNoContent)), "Revoke the link to a conversation"},
		{get, "/api/v1/shares", chats, free, 0, typed(s.listShares), "List the caller's links to conversations, the newest first"},
		{get, "/api/v1/shared/{token}", anybody, visits, 0, typed(s.readShare), "Read a shared conversation, as whoever has its link"},

		{get, "/api/v1/messages/{id}/stream", chats, free, 0, typed(s.joinMessage, streams), "Join a running answer again, or hear a finished one"},
		{post, "/api/v1/messages/{id}/stop", chats, free, small, typed(s.stopMessage, status(http.StatusAccepted)), "Stop a running answer"},
		{get, "/api/v1/messages/{id}/trace", chats, free, 0, typed(s.messageTrace), "Read the trace of an answer"},

		{get, "/api/v1/traces", everything, free, 0, typed(s.listTraces), "Search the traces of all agents, the newest first"},
		{get, "/api/v1/traces/{trace_id}", everything, free, 0, typed(s.getTrace), "Read a trace, by MLflow's id"},
		{get, "/api/v1/experiments", everything, free, 0, typed(s.listExperiments), "The experiments that traces can be searched in, the agents' first"},

		{post, "/api/log_assessment", rates, votes, small, typed(s.logAssessment), "Rate an answer; written again it is changed"},
		{post, "/log_assessment", rates, votes, small, typed(s.logAssessment, hidden), "The same at the path of older front ends"},
		{post, "/api/v1/feedback", rates, votes, small, typed(s.putFeedback), "Rate an answer; unknown fields are refused"},
		{post, "/api/v1/feedback/batch", rates, batches, batched, typed(s.putBatch), "Rate many answers; one bad item spoils no other"},
		{get, "/api/v1/feedback", rates, free, 0, typed(s.listFeedback), "List the caller's feedback, the newest first"},
		{get, "/api/v1/feedback/export", rates, free, 0, typed(s.exportFeedback, exports), "All of the caller's feedback as a file, with the filters of the list"},
		{post, "/api/v1/feedback/retry", append(permission{identity.ScopeAdmin}, rates...), batches, small, typed(s.retryAll, status(http.StatusAccepted)), "Try all failed deliveries again: the caller's, or with the scope admin everybody's"},
		{get, "/api/v1/feedback/{id}", rates, free, 0, typed(s.getFeedback), "Read one feedback and what became of its deliveries"},
		{del, "/api/v1/feedback/{id}", rates, votes, 0, typed(s.withdrawFeedback), "Withdraw feedback, in MLflow too"},
		{post, "/api/v1/feedback/{id}/retry", rates, votes, small, typed(s.retryFeedback, status(http.StatusAccepted)), "Try a failed delivery again"},
	}
}
