package mlflow

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxPageSize = 500 // the server refuses more
	findBatch   = 100 // ids in one IN (…)
)

// SearchTraces says which traces to find.
type SearchTraces struct {
	ExperimentIDs []string // at least one: there is no search over all
	Filter        string   // MLflow's filter_string; use Quote for values; "" = all
	OrderBy       []string // for example "timestamp_ms ASC"; default: newest first
	MaxResults    int      // stop after so many; 0 = no limit
	PageSize      int      // traces in one request, 1 to 500; 0 = 100
}

// SearchTraces iterates over the traces that match, without their spans, asking
// for the next page when the loop gets there. An error ends the iteration and is
// its last pair. MLflow pages by offset, so a trace that arrives meanwhile can
// make another one appear twice.
//
//	for trace, err := range client.SearchTraces(ctx, mlflow.SearchTraces{ExperimentIDs: []string{"1"}}) {
//		if err != nil {
//			return err
//		}
//		…
//	}
func (c *Client) SearchTraces(ctx context.Context, s SearchTraces) iter.Seq2[*TraceInfo, error] {
	return func(yield func(*TraceInfo, error) bool) {
		rq, err := newSearchRequest(s)
		if err != nil {
			yield(nil, err)
			return
		}
		left := s.MaxResults
		for {
			page, err := c.searchPage(ctx, rq)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, t := range page.Traces {
				if !yield(t, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if page.NextPageToken == "" || page.NextPageToken == rq.PageToken {
				return // the second would ask for the same page for ever
			}
			rq.PageToken = page.NextPageToken
		}
	}
}

// SearchTracesPage returns one page of a search, of s.PageSize traces at most, and
// the token of the next page, which is "" on the last. pageToken is "" for the
// first page, else what the page before gave. s.MaxResults is not used. For who
// shows pages to a person; a loop over all is SearchTraces.
func (c *Client) SearchTracesPage(ctx context.Context, s SearchTraces, pageToken string) (traces []*TraceInfo, next string, err error) {
	s.MaxResults = 0
	rq, err := newSearchRequest(s)
	if err != nil {
		return nil, "", err
	}
	rq.PageToken = pageToken
	page, err := c.searchPage(ctx, rq)
	if err != nil {
		return nil, "", err
	}
	return page.Traces, page.NextPageToken, nil
}

type searchRequest struct {
	Locations  []*wireLocation `json:"locations"`
	Filter     string          `json:"filter,omitempty"`
	MaxResults int             `json:"max_results"`
	OrderBy    []string        `json:"order_by,omitempty"`
	PageToken  string          `json:"page_token,omitempty"`
}

type searchPage struct {
	Traces        []*TraceInfo `json:"traces"`
	NextPageToken string       `json:"next_page_token"`
}

func newSearchRequest(s SearchTraces) (*searchRequest, error) {
	rq := &searchRequest{Filter: s.Filter, OrderBy: s.OrderBy, MaxResults: s.PageSize}
	if rq.MaxResults == 0 {
		rq.MaxResults = 100
	}
	if rq.MaxResults < 1 || rq.MaxResults > maxPageSize {
		return nil, invalidf("search traces: page size %d is not in 1 to %d", s.PageSize, maxPageSize)
	}
	if s.MaxResults < 0 {
		return nil, invalidf("search traces: max results %d", s.MaxResults)
	}
	if s.MaxResults > 0 {
		rq.MaxResults = min(rq.MaxResults, s.MaxResults)
	}
	if len(s.ExperimentIDs) == 0 {
		return nil, invalidf("search traces: no experiment id")
	}
	for _, id := range s.ExperimentIDs {
		if !isDecimal(id) {
			return nil, invalidf("search traces: experiment id %q is not a decimal number", id)
		}
		rq.Locations = append(rq.Locations, experimentLocation(id))
	}
	return rq, nil
}

func (c *Client) searchPage(ctx context.Context, rq *searchRequest) (*searchPage, error) {
	page := new(searchPage)
	err := c.do(ctx, call{method: http.MethodPost, path: tracesPath + "/search", body: rq}, page)
	return page, err
}

// FindOptions narrows a search by id. With a time window the search uses MLflow's
// index on (experiment, time); client_request_id has none, so that without a
// window a large experiment is read whole (300,000 traces: 127 ms against 8 ms).
type FindOptions struct {
	ExperimentIDs []string  // at least one
	Since, Until  time.Time // the trace's start, inclusive; zero = open
}

func (o FindOptions) windowed() bool { return !o.Since.IsZero() || !o.Until.IsZero() }

// filter adds the window to a filter. Since is rounded down and Until up, because
// MLflow keeps milliseconds.
func (o FindOptions) filter(f string) string {
	if !o.Since.IsZero() {
		f += fmt.Sprintf(" AND attributes.timestamp_ms >= %d", o.Since.UnixMilli())
	}
	if !o.Until.IsZero() {
		f += fmt.Sprintf(" AND attributes.timestamp_ms <= %d", o.Until.Add(time.Millisecond-1).UnixMilli())
	}
	return f
}

// FindByClientRequestID returns the one trace that carries the id. It looks in
// the window of o first, or around the time in an id that NewClientRequestID made,
// and everywhere if it found nothing there. No trace is ErrNotFound, which may mean "not yet": MLflow's Python client
// exports up to 5 s after the end. Several are an *AmbiguousError; several of
// which only one lies in the window are not noticed.
func (c *Client) FindByClientRequestID(ctx context.Context, crid string, o FindOptions) (*TraceInfo, error) {
	lit, err := Quote(crid)
	if err != nil {
		return nil, err
	}
	o = o.idWindow(crid)
	found, err := c.find(ctx, "attributes.client_request_id = "+lit, o, 2)
	if err == nil && len(found) == 0 && o.windowed() {
		found, err = c.find(ctx, "attributes.client_request_id = "+lit, FindOptions{ExperimentIDs: o.ExperimentIDs}, 2)
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("mlflow: trace with client_request_id %q: %w", crid, ErrNotFound)
	case len(found) > 1:
		return nil, &AmbiguousError{ClientRequestID: crid, Traces: found}
	}
	return found[0], nil
}

// FindAllByClientRequestID looks up many ids with few searches, a hundred ids in
// each. The result has the traces of each id that was found, newest first; ids
// that were not found have no entry. As in FindByClientRequestID, what is not in
// the window is looked for everywhere.
func (c *Client) FindAllByClientRequestID(ctx context.Context, crids []string, o FindOptions) (map[string][]*TraceInfo, error) {
	found := make(map[string][]*TraceInfo)
	wanted := slices.Compact(slices.Sorted(slices.Values(crids)))
	if err := c.findIn(ctx, wanted, o, found); err != nil {
		return nil, err
	}
	if !o.windowed() {
		return found, nil
	}
	missing := slices.DeleteFunc(wanted, func(id string) bool { return found[id] != nil })
	err := c.findIn(ctx, missing, FindOptions{ExperimentIDs: o.ExperimentIDs}, found)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// findIn adds the traces of the given ids to found.
func (c *Client) findIn(ctx context.Context, crids []string, o FindOptions, found map[string][]*TraceInfo) error {
	for batch := range slices.Chunk(crids, findBatch) {
		literals := make([]string, len(batch))
		for i, id := range batch {
			lit, err := Quote(id)
			if err != nil {
				return err
			}
			literals[i] = lit
		}
		traces, err := c.find(ctx, "attributes.client_request_id IN ("+strings.Join(literals, ", ")+")", o, 0)
		if err != nil {
			return err
		}
		for _, t := range traces {
			found[t.ClientRequestID] = append(found[t.ClientRequestID], t)
		}
	}
	return nil
}

// FindBySession returns the traces of a conversation that lie in the window,
// newest first; none is no error.
func (c *Client) FindBySession(ctx context.Context, session string, o FindOptions) ([]*TraceInfo, error) {
	lit, err := Quote(session)
	if err != nil {
		return nil, err
	}
	return c.find(ctx, "metadata.`"+MetadataSession+"` = "+lit, o, 0)
}

// find collects a search, each trace once although paging by offset may repeat it.
func (c *Client) find(ctx context.Context, filter string, o FindOptions, limit int) ([]*TraceInfo, error) {
	var traces []*TraceInfo
	seen := make(map[string]bool)
	search := SearchTraces{ExperimentIDs: o.ExperimentIDs, Filter: o.filter(filter), MaxResults: limit}
	for t, err := range c.SearchTraces(ctx, search) {
		if err != nil {
			return nil, err
		}
		if !seen[t.TraceID] {
			seen[t.TraceID] = true
			traces = append(traces, t)
		}
	}
	return traces, nil
}
