// Follows Rescind's revocations by GET /v1/revocations/stream and judges claims by them. The standard library alone.
//
//	RESCIND_URL=http://127.0.0.1:3003 RESCIND_API_KEY=… go run stream.go idp_1 user_1 user_2
//
// docs/events.md has the form of the stream, and what a subscriber has to do.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	maxStaleness = 5 * time.Second
	silence      = 5 * time.Second
	longestEvent = 8 << 20
)

var never, forEver = math.Inf(-1), math.Inf(1)

// ErrUnknown says that it cannot be known: answer 503, and let nobody in.
var ErrUnknown = errors.New("what was revoked lately may not be known here")

type wireState struct {
	Scope        string  `json:"scope"`
	ClosedAt     *string `json:"closed_at"`
	OpenedAt     *string `json:"opened_at"`
	TokensBefore *string `json:"tokens_before"`
	Reason       *string `json:"reason"`
}

type state struct {
	closedAt, openedAt, tokensBefore float64 // milliseconds since the epoch
	reason                           string
}

// View is what is known of all scopes, and up to when.
type View struct {
	mutex  sync.RWMutex
	states map[string]state
	asOf   time.Time
	// since is when the proof would have come in, had it been new; it is never set by anybody's clock.
	since time.Time
}

func moment(wire *string) (float64, error) {
	if wire == nil {
		return never, nil
	}
	if *wire == "infinity" {
		return forEver, nil
	}
	at, err := time.Parse(time.RFC3339, *wire)
	return float64(at.UnixMilli()), err
}

func (view *View) merge(wire wireState) error {
	closedAt, err1 := moment(wire.ClosedAt)
	openedAt, err2 := moment(wire.OpenedAt)
	tokensBefore, err3 := moment(wire.TokensBefore)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	view.mutex.Lock()
	defer view.mutex.Unlock()
	known, found := view.states[wire.Scope]
	if !found {
		known = state{never, never, never, ""}
	}
	if closedAt > known.closedAt {
		known.closedAt = closedAt
		if wire.Reason != nil {
			known.reason = *wire.Reason
		}
	}
	known.openedAt = math.Max(known.openedAt, openedAt)
	known.tokensBefore = math.Max(known.tokensBefore, tokensBefore)
	view.states[wire.Scope] = known
	return nil
}

func (view *View) prove(asOf *time.Time, ageMs *float64) {
	if asOf == nil || ageMs == nil {
		return
	}
	view.mutex.Lock()
	defer view.mutex.Unlock()
	if !asOf.Before(view.asOf) {
		view.asOf = *asOf
		view.since = time.Now().Add(-time.Duration(*ageMs * float64(time.Millisecond)))
	}
}

// IsFresh says whether anything can be said now.
func (view *View) IsFresh() bool {
	view.mutex.RLock()
	defer view.mutex.RUnlock()
	// time.Since of asOf goes by the clock on the wall, of since by the monotonic one.
	return !view.asOf.IsZero() && time.Since(view.asOf) <= maxStaleness && time.Since(view.since) <= maxStaleness
}

// Judge gives the reason why a token is void, "" where it is not, and ErrUnknown where nobody can say.
func (view *View) Judge(providerID, user, organization, session string, issuedAt time.Time) (string, error) {
	if !view.IsFresh() {
		return "", ErrUnknown
	}
	scopes := []string{providerID + "/user:" + user}
	if organization != "" {
		scopes = append(scopes, providerID+"/org:"+organization, providerID+"/membership:"+user+":"+organization)
	}
	if session != "" {
		scopes = append(scopes, providerID+"/session:"+session)
	}
	view.mutex.RLock()
	defer view.mutex.RUnlock()
	at := float64(issuedAt.Unix()) * 1000
	for _, scope := range scopes {
		known, found := view.states[scope]
		if !found {
			continue
		}
		if known.closedAt != never && (known.closedAt >= known.openedAt || at <= known.closedAt) {
			return known.reason, nil
		}
		if at <= known.tokensBefore {
			return "role_changed", nil
		}
	}
	return "", nil
}

// Follow never returns: it connects again whenever the stream ends, and goes on after the last event that it had.
func (view *View) Follow(url, apiKey string) {
	lastID := ""
	for {
		err := view.followOnce(url, apiKey, &lastID)
		fmt.Fprintln(os.Stderr, "connecting again:", err)
		time.Sleep(500 * time.Millisecond)
	}
}

func (view *View) followOnce(url, apiKey string, lastID *string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/revocations/stream", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	if *lastID != "" {
		request.Header.Set("Last-Event-ID", *lastID)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, longestEvent)
	ready := false
	event := map[string]string{}
	for lines.Scan() {
		watch.Reset(silence)
		if name, value, found := strings.Cut(lines.Text(), ": "); found {
			event[name] = value
			continue
		}
		ready = ready || event["event"] == "ready"
		if err := view.take(event["event"], []byte(event["data"]), ready); err != nil {
			return err
		}
		if event["id"] != "" {
			*lastID = event["id"]
		}
		event = map[string]string{}
	}
	return errors.Join(errors.New("the stream has ended"), lines.Err())
}

func (view *View) take(name string, data []byte, ready bool) error {
	var said struct {
		States []wireState `json:"states"`
		AsOf   *time.Time  `json:"as_of"`
		AgeMs  *float64    `json:"age_ms"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	for _, wire := range said.States {
		if err := view.merge(wire); err != nil {
			return err
		}
	}
	if ready && (name == "ready" || name == "heartbeat") {
		view.prove(said.AsOf, said.AgeMs)
	}
	return nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go run stream.go <provider id> <user id>…")
		os.Exit(2)
	}
	view := &View{states: map[string]state{}}
	go view.Follow(os.Getenv("RESCIND_URL"), os.Getenv("RESCIND_API_KEY"))
	for !view.IsFresh() {
		time.Sleep(50 * time.Millisecond)
	}
	for _, user := range os.Args[2:] {
		reason, err := view.Judge(os.Args[1], user, "", "", time.Now())
		if err != nil {
			fmt.Println(user+":", err)
		} else if reason == "" {
			fmt.Println(user + ": not revoked")
		} else {
			fmt.Println(user+":", reason)
		}
	}
}
