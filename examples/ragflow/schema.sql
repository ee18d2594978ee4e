-- The application's tables, in the shape that RAGFlow's have: ids of 32 hex digits, no foreign keys, times twice (in
-- milliseconds and as a timestamp), and a document that knows its knowledge base but not its tenant.  It is run by the
-- role that the application connects as, which therefore owns them.
--
-- Left out are columns that play no part here.  RAGFlow's own tables have no defaults (Peewee fills them in); these
-- have, so that an example in SQL is short.

CREATE TABLE "user" (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    nickname    varchar(100) NOT NULL,
    email       varchar(255) NOT NULL UNIQUE,
    status      varchar(1)   DEFAULT '1');

CREATE TABLE tenant (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    name        varchar(100),
    llm_id      varchar(128) NOT NULL DEFAULT '',
    embd_id     varchar(128) NOT NULL DEFAULT '',
    credit      int          NOT NULL DEFAULT 512,
    status      varchar(1)   DEFAULT '1');

CREATE TABLE user_tenant (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    user_id     varchar(32)  NOT NULL,
    tenant_id   varchar(32)  NOT NULL,
    role        varchar(32)  NOT NULL,                  -- owner, normal, invite (asked, has not come yet)
    invited_by  varchar(32)  NOT NULL,
    status      varchar(1)   DEFAULT '1');
CREATE INDEX ON user_tenant (tenant_id);

CREATE TABLE tenant_llm (
    id          serial       PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    tenant_id   varchar(32)  NOT NULL,
    llm_factory varchar(128) NOT NULL,
    model_type  varchar(128),                           -- chat, embedding, rerank, …
    llm_name    varchar(128) DEFAULT '',
    max_tokens  int          NOT NULL DEFAULT 8192,
    used_tokens int          NOT NULL DEFAULT 0,
    UNIQUE (tenant_id, llm_factory, llm_name));

CREATE TABLE knowledgebase (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    tenant_id   varchar(32)  NOT NULL,
    name        varchar(128) NOT NULL,
    embd_id     varchar(128) NOT NULL DEFAULT '',
    permission  varchar(16)  NOT NULL DEFAULT 'me',
    created_by  varchar(32)  NOT NULL,
    doc_num     int          NOT NULL DEFAULT 0,
    token_num   int          NOT NULL DEFAULT 0,
    chunk_num   int          NOT NULL DEFAULT 0,
    parser_id   varchar(32)  NOT NULL DEFAULT 'naive',
    status      varchar(1)   DEFAULT '1');
CREATE INDEX ON knowledgebase (tenant_id);

CREATE TABLE document (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    kb_id       varchar(256) NOT NULL,
    parser_id   varchar(32)  NOT NULL DEFAULT 'naive',
    source_type varchar(128) NOT NULL DEFAULT 'local',
    type        varchar(32)  NOT NULL DEFAULT 'doc',
    created_by  varchar(32)  NOT NULL,
    name        varchar(255),
    location    varchar(255),
    size        bigint       NOT NULL DEFAULT 0,
    token_num   int          NOT NULL DEFAULT 0,
    chunk_num   int          NOT NULL DEFAULT 0,
    progress    real         NOT NULL DEFAULT 0,
    progress_msg text        DEFAULT '',
    process_begin_at timestamp,
    process_duration real    NOT NULL DEFAULT 0,
    suffix      varchar(32)  NOT NULL DEFAULT '',
    run         varchar(1)   DEFAULT '0',               -- 0 not yet, 1 running, 2 cancelled, 3 done, 4 failed
    status      varchar(1)   DEFAULT '1');
CREATE INDEX ON document (kb_id);

CREATE TABLE task (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    doc_id      varchar(32)  NOT NULL,
    from_page   int          NOT NULL DEFAULT 0,
    to_page     int          NOT NULL DEFAULT 100000000,
    task_type   varchar(32)  NOT NULL DEFAULT '',
    begin_at    timestamp,
    progress    real         NOT NULL DEFAULT 0,
    progress_msg text        DEFAULT '',
    retry_count int          NOT NULL DEFAULT 0);
CREATE INDEX ON task (doc_id);

CREATE TABLE file (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    parent_id   varchar(32)  NOT NULL,
    tenant_id   varchar(32)  NOT NULL,
    created_by  varchar(32)  NOT NULL,
    name        varchar(255) NOT NULL,
    location    varchar(255),
    size        bigint       NOT NULL DEFAULT 0,
    type        varchar(32)  NOT NULL,
    source_type varchar(128) NOT NULL DEFAULT '');
CREATE INDEX ON file (tenant_id);

CREATE TABLE file2document (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    file_id     varchar(32),
    document_id varchar(32));
CREATE INDEX ON file2document (document_id);

CREATE TABLE dialog (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    tenant_id   varchar(32)  NOT NULL,
    name        varchar(255),
    llm_id      varchar(128) NOT NULL DEFAULT '',
    kb_ids      text         NOT NULL DEFAULT '[]',
    status      varchar(1)   DEFAULT '1');

CREATE TABLE conversation (
    id          varchar(32)  PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    dialog_id   varchar(32)  NOT NULL,
    name        varchar(255),
    message     text,
    user_id     varchar(255));
CREATE INDEX ON conversation (dialog_id);
