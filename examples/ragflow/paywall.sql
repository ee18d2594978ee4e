-- A paywall for the application of schema.sql: plans, gates, and a small trigger.  Nothing of the application
-- changes, neither its code nor the columns of its tables.  Run by a superuser with psql, in one transaction:
--     psql -1 -f paywall.sql
-- docs/paywall-without-code-changes.md goes through it step by step.
\set ON_ERROR_STOP on

-- ---- what is sold --------------------------------------------------------------------------------------------
SELECT * FROM quota.apply_catalog('{
  "features": {
    "knowledge_bases":  {"kind": "capacity", "title": "Knowledge bases"},
    "documents":        {"kind": "capacity", "title": "Documents"},
    "storage_bytes":    {"kind": "capacity", "title": "Storage", "unit": "byte"},
    "seats":            {"kind": "capacity", "title": "Members"},
    "embedding_tokens": {"kind": "metered",  "title": "Embedding", "unit": "token"},
    "llm_tokens":       {"kind": "metered",  "title": "Answers", "unit": "token"}},
  "plans": {
    "free": {"default": true, "title": "Free", "entitlements": {
      "knowledge_bases":  {"allowance": 2},
      "documents":        {"allowance": 5},
      "storage_bytes":    {"allowance": 1000000},
      "seats":            {"allowance": 2},
      "embedding_tokens": {"allowance": 20000, "period": "month"},
      "llm_tokens":       {"allowance": 10000, "period": "month"}}},
    "pro": {"title": "Pro", "metadata": {"price_cents": 2900}, "entitlements": {
      "knowledge_bases":  {"allowance": 50},
      "documents":        {"allowance": 1000},
      "storage_bytes":    {"allowance": 5000000000},
      "seats":            {"allowance": 10},
      "embedding_tokens": {"allowance": 5000000, "period": "month", "anchor": "subscription"},
      "llm_tokens":       {"allowance": 1000000, "period": "month", "anchor": "subscription"}}}}}');

-- ---- who pays for a document ---------------------------------------------------------------------------------
-- A document knows its knowledge base only, and the application deletes the knowledge base first.  So the gates
-- that give back remember what each document was charged, and to whom.
CREATE SCHEMA paywall;
\set payer '(SELECT k.tenant_id FROM public.knowledgebase k WHERE k.id = r.kb_id)'

-- ---- what is held: refused beyond the plan, given back when it goes ------------------------------------------
SELECT quota.protect('public.knowledgebase', 'knowledge_bases', 'r.tenant_id');
SELECT quota.protect('public.document', 'documents', :'payer', remember => true);
SELECT quota.protect('public.document', 'storage_bytes', :'payer', 'r.size', remember => true);
-- An invitation takes no seat; who accepts it does.
SELECT quota.protect('public.user_tenant', 'seats', 'r.tenant_id',
                     $$CASE WHEN r.role <> 'invite' AND r.status = '1' THEN 1 ELSE 0 END$$);

-- ---- what is used up: counted after the work, so never refused there -----------------------------------------
-- Vectors are in the index and the answer is on the screen when these counters move.  To refuse them would lose the
-- count, not save the work; what goes beyond is overdrawn, and the next start is refused instead.  Nothing is given
-- back, so nothing is remembered: a document that is parsed again counts from 0 again, and is charged again.
SELECT quota.protect('public.document', 'embedding_tokens', :'payer', 'r.token_num', exceed => 'overdraw');
SELECT quota.protect('public.tenant_llm', 'llm_tokens', 'r.tenant_id',
                     $$CASE WHEN r.model_type = 'chat' THEN r.used_tokens ELSE 0 END$$, exceed => 'overdraw');

-- ---- where work starts: refused when nothing is left ----------------------------------------------------------
-- A conversation costs one token to begin.
SELECT quota.protect('public.conversation', 'llm_tokens', '(SELECT d.tenant_id FROM public.dialog d WHERE d.id = r.dialog_id)');

-- What was embedded and answered before today was not sold by these plans.
SELECT quota.set_usage(t.id, f.feature, 0)
    FROM public.tenant AS t CROSS JOIN (VALUES ('embedding_tokens'), ('llm_tokens')) AS f (feature);

-- So does a run of the parser.  It starts with an UPDATE of the document, before the application removes what an
-- earlier run left and queues its tasks: refused here, nothing is lost.  A gate on task would come too late for that.
CREATE FUNCTION paywall.start_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.run = '1' AND OLD.run IS DISTINCT FROM '1' THEN
        PERFORM FROM public.knowledgebase AS k
            CROSS JOIN LATERAL quota.debit(k.tenant_id, 'embedding_tokens', 1, metadata => jsonb_build_object('run', NEW.id))
            WHERE k.id = NEW.kb_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paywall_start_run AFTER UPDATE ON public.document
    FOR EACH ROW EXECUTE FUNCTION paywall.start_run();
REVOKE ALL ON FUNCTION paywall.start_run() FROM PUBLIC;
