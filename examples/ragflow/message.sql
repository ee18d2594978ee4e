-- Optional, after paywall.sql: refusals that read well in a page which shows the database's error as it is.
-- A trigger before the gate looks whether there is room and says it in words; the gate decides, as before, so of two
-- uploads at the last place the second may still be told in the gate's words.  There is no DETAIL here, since a page
-- would show it: behind ingress.py, which needs it, leave this file out.
--     psql -1 -v plans_url=https://example.org/plans -f message.sql
\set ON_ERROR_STOP on

CREATE FUNCTION paywall.tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    new_row jsonb := to_jsonb(NEW);
    payer text := coalesce(new_row ->> 'tenant_id',
                           (SELECT k.tenant_id FROM public.knowledgebase AS k WHERE k.id = new_row ->> 'kb_id'));
    state record;
BEGIN
    IF payer IS NULL OR current_setting('quota.enforcement', true) = 'observe' THEN
        RETURN NEW;
    END IF;
    SELECT c.allowed, c.allowance, c.reason INTO state FROM quota.check(payer, TG_ARGV[0]) AS c;
    IF state.reason = 'quota_exceeded' THEN
        RAISE EXCEPTION USING ERRCODE = 'QT402', MESSAGE = format(
            'Your plan %s includes %s %s, and you have them all. Delete some, or choose a larger plan: %s',
            quota.me(payer) #>> '{plan,title}', state.allowance, TG_ARGV[1], TG_ARGV[2]);
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION paywall.tell() FROM PUBLIC;

CREATE TRIGGER paywall_tell BEFORE INSERT ON public.document
    FOR EACH ROW EXECUTE FUNCTION paywall.tell('documents', 'documents', :'plans_url');
CREATE TRIGGER paywall_tell BEFORE INSERT ON public.knowledgebase
    FOR EACH ROW EXECUTE FUNCTION paywall.tell('knowledge_bases', 'knowledge bases', :'plans_url');
