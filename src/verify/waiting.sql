-- Dead letters that wait for rows and would not be found when those appear, and rows that nothing waits for.
WITH waits AS (
    SELECT id AS dead_letter, ready FROM dead_letters WHERE status = 'open' AND class = 'when_reference_appears'
), found AS (
    SELECT DISTINCT dead_letter FROM waiting
)
SELECT 'waiting' AS what, 'dead letter ' || dead_letter AS place,
       CASE WHEN waits IS NULL THEN 'waits for nothing' ELSE 'waits' END AS expected,
       CASE WHEN found IS NULL THEN 'waits for nothing' ELSE 'waits' END AS found,
       dead_letter
FROM waits
FULL JOIN found USING (dead_letter)
WHERE waits IS NULL OR (found IS NULL AND NOT waits.ready)
