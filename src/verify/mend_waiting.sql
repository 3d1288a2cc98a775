-- What a letter waits for stands in its record alone.
gone AS (
    DELETE FROM waiting USING difference
    WHERE waiting.dead_letter = difference.dead_letter AND difference.expected = 'waits for nothing'
)
