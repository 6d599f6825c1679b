package main
import ("context";"log";"log/slog";"net/http";"os";"github.com/thumbprint-ai/thumbprint/internal/sqldb";"github.com/thumbprint-ai/thumbprint/internal/tracestore";"github.com/thumbprint-ai/thumbprint/internal/mlflowapi";_ "net/http/pprof")
func main(){ l:=slog.New(slog.NewTextHandler(os.Stderr,nil)); db,err:=sqldb.Open(context.Background(),os.Args[2],l); if err!=nil{log.Fatal(err)}
 go func(){ log.Println(http.ListenAndServe("127.0.0.1:18999", nil)) }()
 log.Fatal(http.ListenAndServe(os.Args[1], mlflowapi.Handler(tracestore.NewStore(db), mlflowapi.WithLogger(l))))}
