package mlflowtest

import "encoding/json"

// The shapes in which MLflow 3.17.2 fails, as recorded or seen on the wire.

// Fail is MLflow's own error: a status with its error_code and a message.
func Fail(status int, code, message string) Answer {
	b, _ := json.Marshal(map[string]string{"error_code": code, "message": message}) // strings always encode
	return Answer{Status: status, Body: string(b)}
}

// TraceNotFound is the answer about a trace that does not exist, or not yet.
func TraceNotFound(traceID string) Answer {
	return Fail(404, "RESOURCE_DOES_NOT_EXIST", "Trace with ID '"+traceID+"' not found.")
}

// AssessmentTaken is the answer to an assessment_id that is there already.
func AssessmentTaken(traceID string) Answer {
	return Fail(500, "INTERNAL_ERROR", "Failed to create assessment for trace '"+traceID+"' due to a constraint violation.")
}

// HTMLNotFound is the answer to a path that the server does not know.
func HTMLNotFound() Answer {
	return Answer{Status: 404, ContentType: "text/html; charset=utf-8",
		Body: "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server.</p>\n"}
}

// HTMLInternalError is the answer when MLflow's handler raises.
func HTMLInternalError() Answer {
	return Answer{Status: 500, ContentType: "text/html; charset=utf-8",
		Body: "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n<p>The server encountered an internal error.</p>\n"}
}

// InvalidHost is the answer to a Host header that is not allowed.
func InvalidHost() Answer {
	return Answer{Status: 403, ContentType: "text/plain; charset=utf-8",
		Body: "Invalid Host header - possible DNS rebinding attack detected"}
}

// NotAuthenticated is the answer of the basic-auth app to missing credentials.
func NotAuthenticated() Answer {
	return Answer{Status: 401, ContentType: "text/html; charset=utf-8",
		Body: "You are not authenticated. Please see https://www.mlflow.org/docs/latest/auth/index.html"}
}

// PermissionDenied is the answer of the basic-auth app to a user without rights.
func PermissionDenied() Answer {
	return Answer{Status: 403, ContentType: "text/html; charset=utf-8", Body: "Permission denied"}
}
