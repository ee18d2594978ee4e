\set subject random(:base + 1, :base + :subjects)
INSERT INTO document_gated (tenant_id, size, title) VALUES (:subject, 1, 'A document that somebody uploaded');
